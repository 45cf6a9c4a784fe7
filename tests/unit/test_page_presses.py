"""Whose the buttons of the board are: the page's beside the work, or the work's own."""

from firmware.page.presses import CHANGING_S, Presses


def test_presses_stay_with_a_page_beside_the_work_while_it_loads_the_next_one() -> None:
    now_s = 100.0
    presses = Presses(lambda: now_s)
    found = [("before anybody", presses.beside)]
    with presses.told(beside=True):
        found.append(("on the day", presses.beside))
    found.append(("on the way to the next page", presses.beside))
    with presses.told(beside=False):
        found.append(("which is the work's own", presses.beside))
    found.append(("and is left", presses.beside))
    with presses.told(beside=True):
        pass
    now_s += CHANGING_S
    found.append(("the browser is gone", presses.beside))
    assert [name for name, beside in found if beside] == ["on the day", "on the way to the next page"]


def test_a_page_that_ends_after_a_newer_one_came_takes_no_presses_with_it() -> None:
    presses = Presses(lambda: 100.0)
    older = presses.told(beside=True)
    older.__enter__()
    with presses.told(beside=False):
        older.__exit__(None, None, None)
        assert not presses.beside
