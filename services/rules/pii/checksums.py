"""The check digits of numbers that people are known by: of digits without separators."""

from __future__ import annotations

_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_ID_CHECKS = "10X98765432"
_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)  # twice a digit, its own digits added

_PROVINCES = frozenset(
    map(str, (*range(11, 16), *range(21, 24), *range(31, 38), *range(41, 47), *range(50, 55), *range(61, 66)))
) | {"71", "81", "82", "83", "91"}


def is_id_card(number: str) -> bool:
    """A resident's number: province (GB/T 2260), and the check character of 18 (GB 11643)."""
    if number[:2] not in _PROVINCES:
        return False
    if len(number) == 15:
        return True
    total = sum(int(digit) * weight for digit, weight in zip(number, _ID_WEIGHTS, strict=False))
    return _ID_CHECKS[total % 11] == number[17].upper()


def is_luhn(number: str) -> bool:
    """Whether the last digit is right by ISO/IEC 7812-1, annex B."""
    digits = [int(digit) for digit in reversed(number)]
    return (sum(digits[::2]) + sum(_DOUBLED[digit] for digit in digits[1::2])) % 10 == 0


def is_card(number: str) -> bool:
    """A card by its issuer's prefix (ISO/IEC 7812) and length, and by Luhn's digit.

    Without the prefix one number of ten would pass: 62 UnionPay, 4 Visa, 51-55 and 2221-2720 Mastercard,
    34 and 37 American Express, 3528-3589 and 2131, 1800 JCB, 6011, 644-649 and 65 Discover, 30, 36, 38, 39
    Diners, 9558 the oldest Chinese debit cards.
    """
    size, first, four = len(number), number[0], int(number[:4])
    issued = (
        (number.startswith("62") and 16 <= size <= 19)
        or (first == "4" and size in (16, 19))
        or ((5100 <= four <= 5599 or 2221 <= four <= 2720) and size == 16)
        or (number[:2] in ("34", "37") and size == 15)
        or (3528 <= four <= 3589 and size == 16)
        or (four in (2131, 1800) and size == 15)
        or ((four == 6011 or 6440 <= four <= 6599) and size == 16)
        or ((3000 <= four <= 3059 or number[:2] in ("36", "38", "39")) and size == 14)
        or (four == 9558 and size == 19)
    )
    return issued and number.isdigit() and is_luhn(number)  # an X ends a resident's number alone


def is_iban(account: str) -> bool:
    """An account number by ISO 13616: country, two check digits (MOD 97-10), at most 30 more."""
    account = account.upper()
    if not (15 <= len(account) <= 34 and account.isascii() and account.isalnum()):
        return False
    if not (account[:2].isalpha() and account[2:4].isdigit()):
        return False
    return int("".join(str(int(sign, 36)) for sign in account[4:] + account[:4])) % 97 == 1
