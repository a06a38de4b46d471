"""Certificates for a test, good and bad, made by the openssl command in a folder of their own."""

import pathlib
import subprocess

CONFIGURATION = """
[req]
distinguished_name = subject
[subject]
[authority]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[ca]
default_ca = here
[here]
database = {folder}/index.txt
new_certs_dir = {folder}
certificate = {folder}/ca.crt
private_key = {folder}/ca.key
rand_serial = yes
unique_subject = no
default_md = sha256
default_days = 30
default_crl_days = 30
policy = any
copy_extensions = copy
[any]
commonName = supplied
"""
KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
LONG_AGO = ["-startdate", "20200101000000Z", "-enddate", "20210101000000Z"]
FAR_AHEAD = ["-startdate", "20980101000000Z", "-enddate", "20990101000000Z"]


class Certificates:
    """Files of certificate and key together, by name; `ca` is who signed most of them."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.configuration = self.folder / "openssl.cnf"
        self.configuration.write_text(CONFIGURATION.format(folder=folder))
        (self.folder / "index.txt").touch()
        self.make_authorities()
        self.issue("good", "localhost", "DNS:localhost,IP:127.0.0.1")
        self.issue("other", "other.test", "DNS:other.test")
        self.issue("expired", "localhost", more=LONG_AGO)
        self.issue("early", "localhost", more=FAR_AHEAD)
        self.issue("client", "ann", "email:ann@example.org", purpose="clientAuth")
        self.issue("wrong_purpose", "localhost", purpose="clientAuth")
        self.issue("server_only", "bob", purpose="serverAuth")
        self.issue("revoked", "localhost")
        self.openssl("ca", "-config", self.configuration, "-revoke", self.folder / "revoked.crt")
        self.openssl("ca", "-config", self.configuration, "-gencrl", "-out", self.file("crl"))

    def make_authorities(self):
        for name, text in (("ca", "the authority"), ("stranger", "a stranger")):
            self.openssl("req", "-config", self.configuration, "-x509", *KEY, "-extensions",
                         "authority", "-days", "30", "-subj", f"/CN={text}",
                         "-keyout", self.folder / f"{name}.key", "-out", self.folder / f"{name}.crt")
        self.file("ca").write_text((self.folder / "ca.crt").read_text())
        self.openssl("req", "-config", self.configuration, "-x509", *KEY, "-days", "30", "-subj",
                     "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
                     "-keyout", self.folder / "self_signed.key",
                     "-out", self.folder / "self_signed.crt")
        self.join("self_signed")
        self.request("unknown_issuer", "localhost", "DNS:localhost", "")
        self.openssl("x509", "-req", "-in", self.folder / "unknown_issuer.csr", "-days", "30",
                     "-CA", self.folder / "stranger.crt", "-CAkey", self.folder / "stranger.key",
                     "-copy_extensions", "copy", "-out", self.folder / "unknown_issuer.crt")
        self.join("unknown_issuer")

    def file(self, name):
        return self.folder / f"{name}.pem"

    def fingerprint(self, name):
        told = self.openssl("x509", "-in", self.file(name), "-noout", "-fingerprint", "-sha256")
        return told.split("=")[1].strip().replace(":", "").lower()

    def openssl(self, *arguments):
        done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
        return done.stdout

    def request(self, name, subject, names, purpose):
        extensions = ["-addext", f"subjectAltName={names}"] if names else []
        if purpose:
            extensions += ["-addext", f"extendedKeyUsage={purpose}"]
        self.openssl("req", "-config", self.configuration, "-new", *KEY, "-subj", f"/CN={subject}",
                     *extensions, "-keyout", self.folder / f"{name}.key",
                     "-out", self.folder / f"{name}.csr")

    def issue(self, name, subject, names="DNS:localhost", purpose="", more=()):
        self.request(name, subject, names, purpose)
        self.openssl("ca", "-batch", "-notext", "-config", self.configuration, *more,
                     "-in", self.folder / f"{name}.csr", "-out", self.folder / f"{name}.crt")
        self.join(name)

    def join(self, name):
        self.file(name).write_text((self.folder / f"{name}.crt").read_text() +
                                   (self.folder / f"{name}.key").read_text())
