"""Buckets and directories: list, fetch, put. The only room that imports boto3, google.cloud and pycurl."""
