"""Coordination: what ranks send each other beside individuals, so that a search without a head node ends as one.

`protocol` puts the parts together, and dispatches messages to them. `membership` knows which ranks live, and joins
them into the trees of `binomial_tree`. Along these, `broadcast` spreads the records of an island, `census` sums up
counts, and `termination` gathers final reports. `tickets` share out an exact budget, `failover` replaces dead ranks,
`watchdog` finds ranks that no longer exchange messages, and `curve_sharing` spreads intermediate losses.
"""
