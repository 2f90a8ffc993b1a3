"""An S3-compatible server with one bucket, a user who may read it, and access control.

Usage: serve.py FOLDER

The files of FOLDER become the bucket `points`. The first line of standard output is a JSON object with the endpoint and
the user's keys. The server ends with its standard input.
"""

import json
import os
import pathlib
import sys

# Until everything is set up every caller is let in.
os.environ["INITIAL_NO_AUTH_ACTION_COUNT"] = "1000000"

import boto3  # noqa: E402
import requests  # noqa: E402
from moto.server import ThreadedMotoServer  # noqa: E402

BUCKET = "points"


def main() -> None:
    folder = pathlib.Path(sys.argv[1])
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    session = {
        "endpoint_url": endpoint,
        "region_name": "us-east-1",
        "aws_access_key_id": "setup",
        "aws_secret_access_key": "setup",
    }
    s3 = boto3.client("s3", **session)
    s3.create_bucket(Bucket=BUCKET)
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            s3.upload_file(str(path), BUCKET, path.relative_to(folder).as_posix())
    iam = boto3.client("iam", **session)
    iam.create_user(UserName="reader")
    statement = {"Effect": "Allow", "Action": ["s3:Get*", "s3:List*"], "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName="reader", PolicyName="read", PolicyDocument=policy)
    key = iam.create_access_key(UserName="reader")["AccessKey"]
    # From now on a signature has to be the reader's.
    requests.post(f"{endpoint}/moto-api/reset-auth", data=b"0", timeout=30).raise_for_status()
    started = {
        "endpoint": endpoint,
        "access_key_id": key["AccessKeyId"],
        "secret_access_key": key["SecretAccessKey"],
    }
    print(json.dumps(started), flush=True)
    sys.stdin.read()
    server.stop()


if __name__ == "__main__":
    main()
