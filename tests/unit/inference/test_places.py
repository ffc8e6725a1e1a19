"""Who asks, and how many events they may have under way."""

import pytest

from realsr_mod.inference.places import Places, TooMany, visitor_of


@pytest.mark.parametrize(
    ("client", "visitor"),
    [
        (("192.0.2.1", 5), "192.0.2.1"),
        (("::ffff:192.0.2.1", 5), "192.0.2.1"),
        (("2001:db8:1:2:3:4:5:6", 5), "2001:db8:1:2::/64"),
        (("2001:db8:1:2:ffff::", 5), "2001:db8:1:2::/64"),
        (("a socket", 0), "a socket"),
        (None, ""),
    ],
)
def test_a_visitor_is_an_address_or_a_network_of_them(client, visitor):
    assert visitor_of({"client": client}) == visitor


def test_those_that_come_at_once_are_counted_before_they_are_under_way():
    under_way = ["a"]
    places = Places(lambda: iter(under_way), 3, "full", "too many")
    with places.one_more("a"), places.one_more("a"):
        with pytest.raises(TooMany, match="too many"), places.one_more("a"):
            pass
        with places.one_more("b"):
            pass
    with pytest.raises(KeyError), places.one_more("a"):
        raise KeyError  # what goes wrong behind the door gives its place back
    with places.one_more("a"):
        under_way += ["a", "a"]
    with pytest.raises(TooMany), places.one_more("a"):
        pass
