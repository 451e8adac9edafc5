"""moto, a server of S3 that checks signatures as botocore makes them, against s3:// of the
library and of the command."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import urllib.request

import pytest

import guestkit

boto3 = pytest.importorskip("boto3")
pytest.importorskip("moto.server")

IMAGES = pathlib.Path(os.environ.get("GUESTKIT_IMAGES", pathlib.Path(__file__).parents[2] / "testdata" / "images"))
DEBIAN = IMAGES / "debian12-uefi.qcow2"
KEYS = ["disk.qcow2", "a b+c=d/ü?#&%.qcow2"]


@pytest.fixture(scope="module")
def server():
    """A server with a bucket, and a user who may use it; from then on it wants signatures."""
    env = {**os.environ, "INITIAL_NO_AUTH_ACTION_COUNT": "1000000"}
    script = """
import threading
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
threading.Event().wait()
"""
    run = subprocess.Popen([sys.executable, "-c", script], env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert run.stdout
        url = f"http://127.0.0.1:{int(run.stdout.readline())}"
        root = {"endpoint_url": url, "region_name": "eu-central-1", "aws_access_key_id": "root", "aws_secret_access_key": "root"}
        s3, iam = boto3.client("s3", **root), boto3.client("iam", **root)
        s3.create_bucket(Bucket="images", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        for key in KEYS:
            s3.put_object(Bucket="images", Key=key, Body=DEBIAN.read_bytes())
        s3.put_object(Bucket="images", Key="public.qcow2", Body=DEBIAN.read_bytes(), ACL="public-read")
        iam.create_user(UserName="anna")
        policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
        iam.put_user_policy(UserName="anna", PolicyName="all", PolicyDocument=json.dumps(policy))
        key = iam.create_access_key(UserName="anna")["AccessKey"]
        link = s3.generate_presigned_url("get_object", {"Bucket": "images", "Key": KEYS[0]})
        with urllib.request.urlopen(urllib.request.Request(url + "/moto-api/reset-auth", data=b"0", headers={"Content-Type": "text/plain"})):
            pass
        yield {"AWS_ENDPOINT_URL_S3": url, "AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
               "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}, link
    finally:
        run.terminate()
        run.wait()


@pytest.fixture
def account(server, monkeypatch):
    for name in [n for n in os.environ if n.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in server[0].items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("key", KEYS)
def test_read(account, key):
    address = f"s3://images/{key}"
    assert guestkit.detect(address) == guestkit.GuestkitWrapper().detect(address) == "qcow2"
    with guestkit.open(address) as g:
        assert g.fs().read_text("/etc/hostname") == "web-1\n"


def test_wrong_keys(account, monkeypatch):
    for name, value in (("AWS_SECRET_ACCESS_KEY", "wrong-secret"), ("AWS_ACCESS_KEY_ID", "AKIANOBODY")):
        with monkeypatch.context() as m:
            m.setenv(name, value)
            with pytest.raises(guestkit.PermissionDenied) as e:
                guestkit.open("s3://images/disk.qcow2")
            assert value not in str(e.value)
            with pytest.raises(guestkit.Error) as e:
                guestkit.GuestkitWrapper().detect("s3://images/disk.qcow2")
            assert "403" in str(e.value) and value not in str(e.value)
    with pytest.raises(guestkit.NotFound):
        guestkit.open("s3://images/nothing.qcow2")


def test_presigned(server):
    """The query, which is the signature, is kept, and printed by nobody."""
    link = server[1]
    run = subprocess.run([guestkit.wrapper.command(), "detect", "--json", link + "x"], capture_output=True, text=True)
    secret = link.partition("Signature=")[2].partition("&")[0]
    assert secret and secret not in run.stdout + run.stderr


def test_publish(account, tmp_path):
    """The results of a run, put into a bucket; and none with a key that may not."""
    (tmp_path / "plan.yaml").write_text(json.dumps({"publish": "s3://images/out", "images": [str(DEBIAN)], "stages": [{"check": {}}, {"inspect": {}, "needs": []}]}))
    run = [guestkit.wrapper.command(), "run", "--json", str(tmp_path / "plan.yaml")]
    done = subprocess.run(run, capture_output=True, text=True, env=os.environ)
    assert done.returncode == 0, done.stderr
    s3 = boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL_S3"], region_name="eu-central-1")
    put = s3.get_object(Bucket="images", Key="out/report-0-of-1.json")
    assert json.load(put["Body"]) == json.loads(done.stdout) and put["ContentType"] == "application/json"
    rows = s3.get_object(Bucket="images", Key="out/stages-0-of-1.jsonl")["Body"].read().splitlines()
    assert [json.loads(r)["status"] for r in rows] == ["done", "done"]
    failed = subprocess.run(run, capture_output=True, text=True, env={**os.environ, "AWS_SECRET_ACCESS_KEY": "wrong-secret"})
    assert failed.returncode != 0 and "not published" in failed.stderr and "wrong-secret" not in failed.stderr
    assert json.loads(failed.stdout)["done"] == 1  # what was done is said all the same
