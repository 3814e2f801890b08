"""Signatures of requests to services of AWS, by a reading of their own of "Create a signed AWS API request"."""
import hashlib
import hmac
import re
import urllib.parse


def quote(text, safe=""):
    return urllib.parse.quote(text, safe=safe + "-._~")


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def mac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def canonical_query(query):
    pairs = [pair.partition("=") for pair in query.split("&")] if query else []
    return "&".join(sorted(f"{quote(urllib.parse.unquote(name))}={quote(urllib.parse.unquote(value))}"
                           for name, _, value in pairs))


def signature(method, path, query, headers, names, payload, date, scope, secret):
    lines = [f"{name}:{' '.join(','.join(headers.get_all(name, [])).split())}" for name in names]
    request = "\n".join([method, quote(urllib.parse.unquote(path), "/"), canonical_query(query), *lines, "",
                         ";".join(names), payload])
    text = "\n".join(["AWS4-HMAC-SHA256", date, scope, sha256(request.encode())])
    key = ("AWS4" + secret).encode()
    for part in scope.split("/"):
        key = mac(key, part)
    return mac(key, text).hex()


def authorization(headers):
    """The parts of the header: user, day, region, service, names of headers with ';' between, signature; or None."""
    match = re.fullmatch(r"AWS4-HMAC-SHA256 Credential=([^/,]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, "
                         r"SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})", headers["Authorization"])
    return match and match.groups()
