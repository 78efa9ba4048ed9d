"""Servers on free loopback ports that the tests, the demo, the benchmark and the soak start.

- ``server_process.ServerProcess``: a server in a separate process, ended by its pid.
- ``moto_process``: moto's S3 (and KMS, STS, SQS …) as such a process, holding every key S3 can hold.
- ``gcs_emulator_process``: gcp-storage-emulator as such a process.
- ``loopback_server.LoopbackServer``: an HTTP/1.1 server in threads of the test, which can stop and return on its port.
- ``fault_proxy.FaultProxy``: a proxy in front of any upstream that does what a Rule states: errors, resets, half
  bodies, stalls, delays, flipped bytes, short bodies, edited headers; logs the requests.
- ``memory_s3``, ``memory_sqs``: S3 and SQS in memory, with the calls this program makes.
- ``fake_gcs.FakeGcs``: the part of the GCS JSON API this program uses, with what the emulator lacks;
  ``fake_gcs_iam``: bucket IAM policies as well; ``fake_pubsub``: pull and acknowledge.
- ``nimble_server.NimbleApi``: Nimble's API.

None of these servers authorises anything by policy.
"""
