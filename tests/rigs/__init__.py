"""Real servers for tests, on free loopback ports, each ended by whoever started it.

- ``processes.ServerProcess``: a server in a process of its own, ended by its pid.
- ``moto_process``: moto's S3 (and KMS, STS, SQS …) as such a process, holding every key S3 can hold.
- ``emulator_process``: gcp-storage-emulator as such a process.
- ``http_server.HttpServer``: an HTTP/1.1 server in threads of the test, which can die and come back on its port.
- ``fault_proxy.FaultProxy``: stands before any upstream and does what a Rule says: errors, resets, half bodies,
  stalls, delays, flipped bytes, short bodies, edited headers; logs the requests.
- ``fake_gcs.FakeGcs``: the part of the GCS JSON API this program uses, with what the emulator lacks.
- ``signatures.SignatureCheck``: refuses requests whose AWS signature botocore would not make.

The fixtures are in ``tests/conftest.py``: ``moto``, ``s3``, ``s3_bucket``, ``fault_proxy``, ``fake_gcs``,
``gcs_emulator``.
None of these servers authorises anything by policy.
"""
