"""What closing and rolling share: what is really held, how much of it may be closed, and one order a leg.

Nothing here ever trades more than is held. A size is decided with the send lock held, from the broker's
position, the fills since it was told, and everything else that works against the same position.
"""
