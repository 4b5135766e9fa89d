"""What is never connected to: every form of an address that is not public, and every trick that hides one."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

import pytest

from services.ingest.crawl.address import Admission, is_public
from services.ingest.crawl.resolver import NotPublic, admitted
from services.ingest.crawl.url import Refused, Urls

REFUSED = """
http://127.0.0.1/                       http://127.1/                        http://127.0.1/
http://127.255.255.254/                 http://0.0.0.0/                      http://0/
http://2130706433/                      http://0x7f000001/                   http://0x7f.0.0.1/
http://0177.0.0.1/                      http://017700000001/                 http://0x7f.0x0.0x0.0x1/
http://127.0.0.1./                      http://0x7f.1/                       http://00000177.0.0.01/
http://10.0.0.1/                        http://10.1/                         http://167772161/
http://172.16.0.1/                      http://172.31.255.255/               http://192.168.1.1/
http://192.168.257/                     http://3232235777/                   http://0xc0a80101/
http://100.64.0.1/                      http://100.127.255.255/              http://100.100.100.200/
http://169.254.169.254/                 http://2852039166/                   http://0xa9fea9fe/
http://0251.0376.0251.0376/             http://169.254.43518/                http://168.63.129.16/
http://192.0.0.192/                     http://192.0.2.7/                    http://198.18.0.1/
http://198.19.255.255/                  http://198.51.100.1/                 http://203.0.113.9/
http://192.88.99.1/                     http://224.0.0.1/                    http://239.255.255.250/
http://240.0.0.1/                       http://255.255.255.255/              http://4294967295/
http://[::]/                            http://[::1]/                        http://[0:0:0:0:0:0:0:1]/
http://[::ffff:127.0.0.1]/              http://[::ffff:7f00:1]/              http://[::ffff:169.254.169.254]/
http://[::127.0.0.1]/                   http://[::ffff:0:127.0.0.1]/         http://[64:ff9b::7f00:1]/
http://[64:ff9b::169.254.169.254]/      http://[64:ff9b:1::a00:1]/           http://[2002:7f00:1::]/
http://[2002:c0a8:101::1]/              http://[2001:0:4136:e378::1]/        http://[2001::1]/
http://[2001:db8::1]/                   http://[3fff::1]/                    http://[fe80::1]/
http://[fe80::1%25eth0]/                http://[fec0::1]/                    http://[fc00::1]/
http://[fd00:ec2::254]/                 http://[ff02::1]/                    http://[100::1]/
http://[5f00::1]/                       http://[2606:4700::5efe:7f00:1]/     http://[2606:4700::200:5efe:a00:1]/
http://localhost/                       http://LOCALHOST/                    http://localhost./
http://a.localhost/                     http://printer.local/                http://metadata.google.internal/
http://router.lan/                      http://metadata/                     http://x.home.arpa/
http://①②⑦.⓪.⓪.①/                       http://127。0。0。1/                   http://１２７.０.０.１/
http://user@example.com/                http://user:pass@127.0.0.1/          http://example.com@127.0.0.1/
http://127.0.0.1@example.com/           http://example.com:80@127.0.0.1/     http://@127.0.0.1/
http://example.com%40127.0.0.1/         http://127.0.0.1%2f@example.com/     http://127.0.0.1%00.example.com/
http://example.com\\@127.0.0.1/          http://127.0.0.1\\.example.com/       http:\\\\127.0.0.1\\
http://exam\tple.com/                   http://example.com:22/               http://example.com:6379/
http://example.com:0/                   http://example.com:65616/            http://example.com:080x/
http://example.com:-80/                 https://example.com:8443/            http://[::1/
http://1.2.3.4.5/                       http://256.256.256.256/              http://0x/
http://127.0.0.0x/                      http:///127.0.0.1/                   http:127.0.0.1
file:///etc/passwd                      gopher://127.0.0.1:6379/_x           ftp://example.com/
dict://127.0.0.1:11211/                 javascript:alert(1)                  data:text/html,x
jar:http://127.0.0.1!/                  //127.0.0.1/                         http://
""".replace("\\t", "\t").replace("\\\\", "\\")
FORMS = [form.strip() for line in REFUSED.splitlines() for form in line.split("  ") if form.strip()]


def test_there_are_enough_forms() -> None:
    """Prevents a table that is read as empty from passing for one that holds."""
    assert len(set(FORMS)) == len(FORMS) >= 100


@pytest.mark.parametrize("form", FORMS)
def test_refused(form: str) -> None:
    """Prevents a request to one's own network, whoever writes its address however."""
    with pytest.raises(Refused):
        Urls().read(form)


@pytest.mark.parametrize(
    "form",
    ["http://93.184.216.34/", "http://[2606:2800:220:1:248:1893:25c8:1946]/", "http://8.8/", "http://bücher.example/",
     "https://example.com:443/x", "http://100.63.255.255/", "http://172.32.0.1/", "http://1.1.1.1/"],
)  # fmt: skip
def test_taken(form: str) -> None:
    """Prevents a check that refuses everything from passing for one that is strict."""
    assert Urls().read(form).text.startswith("http")


@pytest.mark.parametrize(
    "answers",
    [
        ["127.0.0.1"],
        ["::1"],
        ["::ffff:10.0.0.1"],
        ["169.254.169.254"],
        ["10.0.0.1", "fd00::1"],
        ["64:ff9b::a00:1"],
    ],
)
def test_a_name_that_points_inside(answers: Sequence[str]) -> None:
    """Prevents a name from doing what its address may not."""
    with pytest.raises(NotPublic):
        admitted("host.example", lambda _: answers, Admission())


def test_a_name_on_both_sides_is_spoken_to_outside() -> None:
    """Prevents a private address among public ones from being the one that is connected to."""
    found = admitted("host.example", lambda _: ["10.0.0.1", "93.184.216.34", "::1"], Admission())
    assert [str(address) for address in found] == ["93.184.216.34"]


def test_numbers_that_only_the_resolver_reads_are_checked() -> None:
    """Prevents inet_aton forms that reach the resolver (by a redirect, say) from being passed on unread."""
    with pytest.raises(NotPublic):
        admitted("127.1", lambda _: ["127.0.0.1"], Admission())


def test_an_allowance_is_for_what_it_names() -> None:
    """Prevents an allowance for a test from opening more than its network."""
    admission = Admission.of(["127.0.1.0/24"])
    assert admission.admits(ipaddress.ip_address("127.0.1.9"))
    assert not admission.admits(ipaddress.ip_address("127.0.2.9"))
    assert not admission.admits(ipaddress.ip_address("::ffff:127.0.1.9"))
    with pytest.raises(ValueError, match="nonsense"):
        Admission.of(["nonsense"])


def test_every_special_network_of_python_is_refused() -> None:
    """Prevents a network that the standard library knows as special from being missing in our table."""
    special = [
        "0.0.0.1",
        "10.9.8.7",
        "127.3.3.3",
        "169.254.1.1",
        "192.0.0.8",
        "198.18.9.9",
        "240.1.1.1",
        "fe80::9",
        "fc01::1",
    ]
    assert not any(is_public(ipaddress.ip_address(text)) for text in special)
