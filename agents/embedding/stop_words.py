"""English words that say nothing of what is wanted: small ones, and those that every request to an assistant has."""

WORDS = """
    a about am an and any are as at be been but by can could do does for from get give had has have help here how i if in into is it its
    just know let like may me might my need no not of on or our please provide really she should show so some tell than that the their
    them then there these they this those to too us use using very want was we well were what when where which who will with would you your
    d ll m re s ve
    """

STOP_WORDS = frozenset(WORDS.split())
