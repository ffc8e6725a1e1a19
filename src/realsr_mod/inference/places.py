"""How many of one visitor's events may wait and be worked on at a time: nobody can take all places of a page."""

import ipaddress
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class TooMany(Exception):
    """A visitor has as many events under way as one may have. The message is for them."""


class Places:
    """The places of a page.

    Args:
        under_way: the visitors whose events wait or are worked on now, each as often as they have some.
        most: events of one visitor.
        full: what a visitor is told when the page takes no more of anybody.
        too_many: what one is told who has `most` events under way.
    """

    def __init__(self, under_way: Callable[[], Iterator[str]], most: int, full: str, too_many: str) -> None:
        self.under_way, self.most, self.full, self.too_many = under_way, most, full, too_many
        self._coming: Counter[str] = Counter()  # let in and not yet among those under way

    @contextmanager
    def one_more(self, visitor: str) -> Iterator[None]:
        """Let an event of this visitor in while the block runs. Raises TooMany."""
        if Counter(self.under_way())[visitor] + self._coming[visitor] >= self.most:
            raise TooMany(self.too_many)
        self._coming[visitor] += 1
        try:
            yield
        finally:
            self._coming[visitor] -= 1
            if not self._coming[visitor]:
                del self._coming[visitor]


def visitor_of(scope: Any) -> str:
    """Who asks: an address, or the network of one in version 6, of which a single computer has billions.

    Behind a proxy on this computer it is whom the proxy names, as the server reads it (X-Forwarded-For).
    """
    host = (scope.get("client") or ("",))[0]
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return str(host)
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((int(address) >> 64 << 64, 64)))
    return str(address)
