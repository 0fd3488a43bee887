"""The lake's own certificate authority, and the certificates of its storage and of those who may use it."""

import datetime
import hashlib
import ipaddress
import shutil

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lofarlake_nb.lake.embedded.home import Home, write_private

LIFETIME = datetime.timedelta(days=3650)
_RSA_BITS = 2048

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def make(home: Home) -> None:
    """Make what is missing: ``tls/ca.pem``, ``tls/server.pem``, ``tls/client.pem`` (the latter with their keys).

    The authority's key is never written: its three certificates are made together, once. A lake that lost one of them
    gets three new ones.
    """
    files = {name: home.certificates / f"{name}.pem" for name in ("ca", "server", "client")}
    if all(file.is_file() for file in files.values()):
        return
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority = _certificate("lofarlake embedded lake", authority_key, None, authority_key)
    server_key = ec.generate_private_key(ec.SECP256R1())
    client_key = ec.generate_private_key(ec.SECP256R1())
    server = _certificate("127.0.0.1", server_key, authority, authority_key, ExtendedKeyUsageOID.SERVER_AUTH)
    client = _certificate("lofar", client_key, authority, authority_key, ExtendedKeyUsageOID.CLIENT_AUTH)
    write_private(files["server"], _pem(server) + _key_pem(server_key))
    write_private(files["client"], _pem(client) + _key_pem(client_key))
    write_private(files["ca"], _pem(authority))


def make_grid(home: Home) -> None:
    """The same for XRootD, whose GSI takes RSA keys only, and authorities from a folder by the hash of their name.

    Made are ``tls/grid/server.pem`` and ``client.pem`` (with their keys), and the folder ``tls/grid/ca``.
    """
    if home.grid.is_dir():
        return
    partial = home.grid.with_name(home.grid.name + ".part")
    shutil.rmtree(partial, ignore_errors=True)
    (partial / "ca").mkdir(parents=True, mode=0o700)
    keys = [rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS) for _ in range(3)]
    authority = _certificate("lofarlake embedded grid", keys[0], None, keys[0])
    server = _certificate("127.0.0.1", keys[1], authority, keys[0], ExtendedKeyUsageOID.SERVER_AUTH)
    client = _certificate("lofar", keys[2], authority, keys[0], ExtendedKeyUsageOID.CLIENT_AUTH)
    write_private(partial / "server.pem", _pem(server) + _key_pem(keys[1]))
    write_private(partial / "client.pem", _pem(client) + _key_pem(keys[2]))
    write_private(partial / "ca" / f"{name_hash(authority.subject)}.0", _pem(authority))
    partial.rename(home.grid)


def name_hash(name: x509.Name) -> str:
    """Hash by which OpenSSL finds an authority in a folder (``X509_NAME_hash``), 8 hexadecimal digits.

    Of the canonical form: parts without the outer sequence, values in UTF-8, lower case, blanks made single.
    """
    canonical = b""
    for part in name.rdns:
        told = [x509.NameAttribute(one.oid, " ".join(str(one.value).lower().split())) for one in part]
        whole = x509.Name([x509.RelativeDistinguishedName(told)]).public_bytes()
        canonical += whole[2:]  # the sequence's tag and length; a part here is shorter than 128 bytes
    return f"{int.from_bytes(hashlib.sha1(canonical, usedforsecurity=False).digest()[:4], 'little'):08x}"


def _certificate(
    name: str,
    key: Key,
    issuer: x509.Certificate | None,
    issuer_key: Key,
    usage: x509.ObjectIdentifier | None = None,
) -> x509.Certificate:
    """Certificate of a key; without an issuer an authority that signs itself."""
    subject = x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "lofarlake"), x509.NameAttribute(NameOID.COMMON_NAME, name)]
    )
    now = datetime.datetime.now(datetime.UTC)
    is_authority = issuer is None
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=0 if is_authority else None), critical=True)
        .add_extension(_key_usage(is_authority), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    if usage is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    if usage == ExtendedKeyUsageOID.SERVER_AUTH:
        here = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")]
        builder = builder.add_extension(x509.SubjectAlternativeName(here), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def _key_usage(is_authority: bool) -> x509.KeyUsage:
    """What a key may do: an authority's signs certificates, another's signs handshakes."""
    return x509.KeyUsage(
        digital_signature=not is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _key_pem(key: Key) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
