"""Places to write to: a folder, memory, and a bucket of a real S3 server in this process."""

import logging
import uuid

import boto3
import pytest
from moto.server import ThreadedMotoServer

BUCKET = "unsam-tests"


@pytest.fixture(scope="session")
def s3_server():
    """An S3 server with one bucket; the environment names it, as on a user's machine."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    environment = pytest.MonkeyPatch()
    environment.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    environment.setenv("AWS_ACCESS_KEY_ID", "test")
    environment.setenv("AWS_SECRET_ACCESS_KEY", "test")
    environment.setenv("AWS_DEFAULT_REGION", "us-east-1")
    boto3.client("s3").create_bucket(Bucket=BUCKET)
    yield f"http://{host}:{port}"
    environment.undo()
    server.stop()


@pytest.fixture(params=["local", "memory", "s3"])
def place_url(request):
    """The URL of an empty place of each kind."""
    return _empty_place(request)


@pytest.fixture(params=["local", "memory"])
def quick_url(request):
    """The URL of an empty place of each kind that answers at once."""
    return _empty_place(request)


def _empty_place(request) -> str:
    if request.param == "local":
        return str(request.getfixturevalue("tmp_path") / "place")
    if request.param == "memory":
        return f"memory://{uuid.uuid4().hex}"
    request.getfixturevalue("s3_server")
    return f"s3://{BUCKET}/{uuid.uuid4().hex}"
