"""The commands that carry out fixes."""

from __future__ import annotations

import shlex

from hypothesis import given
from hypothesis import strategies as st

from harvester.access.delivery_targets import find_targets
from harvester.cli.shared.next_steps.fix_commands import policy_apply_command, target_flags, with_connection
from harvester.sessions.connections import StoreSettings

# White space at the end of a prefix is refused.
PREFIXES = st.text(st.sampled_from("ab/ '$*"), max_size=8).filter(
    lambda text: text.strip("/") and "//" not in text and not text.endswith(" ")
)


@given(st.sampled_from(["async", "jobs"]), PREFIXES, PREFIXES)
def test_the_flags_of_a_target_name_the_same_target(mode: str, one: str, other: str) -> None:
    if mode == "async":
        targets = find_targets(["s3://bucket"], mode, prefix=one)
    else:
        targets = find_targets(["s3://bucket"], mode, inputs=[one], outputs=[other])
    words = shlex.split(target_flags(targets[0]))
    flags = {
        name: words[words.index(name) + 1] for name in ("--mode", "--input", "--output", "--prefix") if name in words
    }
    locations = [words[0]] if "://" in words[0] else []
    again = find_targets(
        locations,
        flags["--mode"],
        inputs=[flags["--input"]] if "--input" in flags else (),
        outputs=[flags["--output"]] if "--output" in flags else (),
    )
    assert again == targets


@given(PREFIXES | st.sampled_from(["a && b/", "a --region b/"]))
def test_connection_flags_come_after_a_command_whatever_it_quotes(prefix: str) -> None:
    (target,) = find_targets(["s3://bucket"], "async", prefix=prefix)
    command = policy_apply_command(target)
    connected = with_connection(command, StoreSettings(profile="a b", region="eu-west-1"))
    assert shlex.split(connected) == [*shlex.split(command), "--profile", "a b", "--region", "eu-west-1"]


def test_the_password_of_an_endpoint_is_not_shown() -> None:
    settings = StoreSettings(endpoint_url="http://ann:ZQPASS@127.0.0.1:9000")
    shown = with_connection("nimble-harvester policy apply s3://bucket --mode jobs", settings)
    assert shlex.split(shown)[-2:] == ["--endpoint-url", "http://***@127.0.0.1:9000"]
