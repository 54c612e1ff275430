-- Transition: Queued and due -> Leased; Leased and late -> one crash, then Queued, Cancelled, Dead or the next
-- occurrence.
-- Keys: meta. Args: one lease request (see read_request in request.lua).
-- Result: what was leased, key and record one after the other (see record.lua); those args that lie apart; next
-- visible, oldest ready, crashed, limited (key, name, attempts, whether it repeats), dead trimmed, parked keys, answered (0 when this was a look inside a
-- wait that took nothing), whether its waiter waits on (0, 1), microseconds until that must look again by itself,
-- microseconds by which the docket's time is ahead of the server's clock; what is told of that (see clock_told).
-- Twice: the request is remembered with the keys it took: those of its leases that nobody has retaken come again with a
-- fresh deadline, and nothing new is taken.
begin()
return take(read_request(), true)
