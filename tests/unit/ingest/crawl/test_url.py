"""The normal form of a URL: one page, one name; no trap without end."""

from __future__ import annotations

import pytest

from services.ingest.crawl.url import Refused, Urls


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("HTTP://Example.COM", "http://example.com/"),
        ("http://example.com:80/a", "http://example.com/a"),
        ("https://example.com:443/a#part", "https://example.com/a"),
        ("http://example.com/a/./b/../c", "http://example.com/a/c"),
        ("http://example.com/../..", "http://example.com/"),
        ("http://example.com/%7Euser/%e4%bd%a0", "http://example.com/~user/%E4%BD%A0"),
        ("http://example.com/你好 a", "http://example.com/%E4%BD%A0%E5%A5%BD%20a"),
        ("http://example.com/a%", "http://example.com/a%25"),
        ("http://example.com/a?utm_source=x&b=1&fbclid=2", "http://example.com/a?b=1"),
        ("http://example.com/a;jsessionid=0A1B?x=1", "http://example.com/a?x=1"),
        ("http://例子.example/", "http://xn--fsqu00a.example/"),
        ("http://example.com./", "http://example.com/"),
        ("http://example.com/a?b=c?d=/e", "http://example.com/a?b=c?d=/e"),
        ("http://1.1/", "http://1.0.0.1/"),
        (" \n http://example.com/a ", "http://example.com/a"),
    ],
)
def test_normal_form(text: str, normal: str) -> None:
    """Prevents one page from being fetched under two names; and the form is its own normal form."""
    urls = Urls()
    assert urls.read(text).text == normal
    assert urls.read(normal).text == normal


def test_relative_ones() -> None:
    """Prevents links from leading elsewhere than a browser's."""
    urls, base = Urls(), "http://example.com/a/b?c"
    found = [
        urls.read(text, base).text for text in ("d", "/d", "?d", "//other.example/d", "../../d", "#e", "")
    ]
    assert found == [
        "http://example.com/a/d", "http://example.com/d", "http://example.com/a/b?d", "http://other.example/d",
        "http://example.com/d", "http://example.com/a/b?c", "http://example.com/a/b?c",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("http://example.com/" + "a" * 2048, "length"),
        ("http://example.com/" + "你" * 700, "length"),
        ("http://example.com/" + "a/" * 40, "trap"),
        ("http://example.com/a/b/a/b/a/b/a/b", "trap"),
        ("mailto:a@example.com", "scheme"),
        ("http://a@example.com/", "credentials"),
        ("http://example.com:8080/", "port"),
        ("http://10.0.0.1/", "address"),
        ("http://-a.example/", "malformed"),
        ("http://a..example/", "malformed"),
        ("http://" + "a" * 64 + ".example/", "malformed"),
    ],
)
def test_refused_with_a_reason(text: str, reason: str) -> None:
    """Prevents a URL without end, or one that is none, from being fetched."""
    with pytest.raises(Refused) as error:
        Urls().read(text)
    assert error.value.reason == reason


def test_host_and_origin() -> None:
    """Prevents two ports of a host from sharing a robots.txt, and two schemes from being paced apart."""
    urls = Urls(ports=frozenset({80, 443, 8080}))
    assert urls.read("http://a.example/").host == urls.read("https://a.example/").host == "a.example"
    assert urls.read("http://a.example/").origin != urls.read("https://a.example/").origin
    assert urls.read("http://a.example:8080/").host == "a.example:8080"
