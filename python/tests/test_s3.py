"""moto, a server of S3 that checks signatures as botocore makes them, against s3:// of the
library and of the command."""

from __future__ import annotations

import datetime
import json
import os
import pathlib
import socket
import ssl
import subprocess
import sys
import threading
import urllib.request

import pytest

import guestkit

boto3 = pytest.importorskip("boto3")
pytest.importorskip("moto.server")
import botocore.config  # noqa: E402
import moto  # noqa: E402

IMAGES = pathlib.Path(os.environ.get("GUESTKIT_IMAGES", pathlib.Path(__file__).parents[2] / "testdata" / "images"))
DEBIAN = IMAGES / "debian12-uefi.qcow2"
KEYS = ["disk.qcow2", "a b+c=d/ü?#&%.qcow2"]


def unchecked(url, requests):
    """Have the server at url check nothing of so many requests, and all of those after them."""
    with urllib.request.urlopen(urllib.request.Request(url + "/moto-api/reset-auth", data=b"%d" % requests, headers={"Content-Type": "text/plain"})):
        pass


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
        unchecked(url, 0)
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


def client(**config):
    """boto3's, for the account of the environment."""
    return boto3.client("s3", endpoint_url=os.environ.get("AWS_ENDPOINT_URL_S3"), region_name=os.environ["AWS_REGION"], config=botocore.config.Config(**config))


# The last moto for Python 3.9 refuses some signs in signed keys, of boto3 too.
SIGNED = KEYS if moto.__version__ >= "5.2" else KEYS[:1]


@pytest.mark.parametrize("key", SIGNED)
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
    s3 = client()
    put = s3.get_object(Bucket="images", Key="out/report-0-of-1.json")
    assert json.load(put["Body"]) == json.loads(done.stdout) and put["ContentType"] == "application/json"
    rows = s3.get_object(Bucket="images", Key="out/stages-0-of-1.jsonl")["Body"].read().splitlines()
    assert [json.loads(r)["status"] for r in rows] == ["done", "done"]
    failed = subprocess.run(run, capture_output=True, text=True, env={**os.environ, "AWS_SECRET_ACCESS_KEY": "wrong-secret"})
    assert failed.returncode != 0 and "not published" in failed.stderr and "wrong-secret" not in failed.stderr
    assert json.loads(failed.stdout)["done"] == 1  # what was done is said all the same


@pytest.fixture
def amazon(server, account, tmp_path, monkeypatch):
    """The server under Amazon's names, https and all: a proxy leads there, with
    certificates that the environment trusts. It gives what it was asked for."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.timezone.utc)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    names = [x509.DNSName("*.s3.eu-central-1.amazonaws.com"), x509.DNSName("s3.eu-central-1.amazonaws.com")]
    cert = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), False).add_extension(x509.BasicConstraints(True, None), True).sign(key, hashes.SHA256())
    )
    pem = cert.public_bytes(serialization.Encoding.PEM)
    (tmp_path / "ca.pem").write_bytes(pem)
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (tmp_path / "own.pem").write_bytes(private + pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "own.pem")
    moto_at = server[0]["AWS_ENDPOINT_URL_S3"].rpartition(":")[2]
    asked = []

    def copy(a, b):
        try:
            while data := a.recv(1 << 16):
                if data.startswith(b"GET "):
                    asked.append(data.split(b"\r\n")[0].decode())
                b.sendall(data)
        except OSError:
            pass
        for s in (a, b):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def tunnel(conn):
        with conn:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += conn.recv(1)
            asked.append(head.split()[1].decode())
            conn.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            with context.wrap_socket(conn, server_side=True) as inner, socket.create_connection(("127.0.0.1", int(moto_at))) as to:
                back = threading.Thread(target=copy, args=(to, inner))
                back.start()
                copy(inner, to)
                back.join()

    def accept():
        while True:
            try:
                conn, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=tunnel, args=(conn,), daemon=True).start()

    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=accept, daemon=True).start()
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3")
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{listener.getsockname()[1]}")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    yield asked
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def test_bucket_in_the_name(server, amazon, tmp_path, monkeypatch):
    """Where the bucket is a part of the host's name: with signed requests, and with a
    presigned link. A wrong key is refused there too."""

    def copied(address):
        out = tmp_path / "out"
        run = subprocess.run([guestkit.wrapper.command(), "cp", address, "/etc/hostname", str(out)], capture_output=True, text=True)
        text = out.read_text() if out.is_file() else ""
        out.unlink(missing_ok=True)
        return text, run.stderr

    for key in SIGNED:
        assert copied(f"s3://images/{key}") == ("web-1\n", "")
    assert {a.split()[0] for a in amazon} == {"images.s3.eu-central-1.amazonaws.com:443", "GET"}
    assert "GET /disk.qcow2 HTTP/1.1" in amazon
    with monkeypatch.context() as m:
        m.setenv("AWS_SECRET_ACCESS_KEY", "wrong-secret")
        text, error = copied(f"s3://images/{KEYS[0]}")
        assert not text and "403" in error and "wrong-secret" not in error
    # moto cannot check a signature in a query; it is told to check none, and the proxy
    # sees that the query came as botocore made it.
    for key in KEYS:
        config = {"s3": {"addressing_style": "virtual"}, "signature_version": "s3v4"}
        link = client(**config).generate_presigned_url("get_object", {"Bucket": "images", "Key": key})
        assert link.startswith("https://images.s3.")
        unchecked(server[0]["AWS_ENDPOINT_URL_S3"], 1000)
        try:
            assert copied(link) == ("web-1\n", "")
        finally:
            unchecked(server[0]["AWS_ENDPOINT_URL_S3"], 0)
        assert f"GET {link.partition('amazonaws.com')[2]} HTTP/1.1" in amazon
