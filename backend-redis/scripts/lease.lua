-- Transition: Queued and due -> Leased; Leased and expired -> one crash, then Queued, Cancelled,
-- Dead or the next occurrence.
-- Keys: meta. Args: one lease request (see read_request in request.lua).
-- Result:
-- - the leases, key and record in turn (see record.lua); the args that are kept apart;
-- - next visible, oldest ready, crashed, limited (key, name, attempts, whether it repeats), dead
--   trimmed, parked keys;
-- - answered (0: a poll within a wait leased nothing); whether its waiter stays registered (0, 1);
--   microseconds until that waiter must poll by itself;
-- - microseconds by which the docket's time is ahead of the server's clock; the reported offset and
--   steps (see clock_told).
-- Repeated: the request is remembered with its keys. Its leases that nobody has retaken are
-- returned with a new deadline, and nothing new is leased.
begin()
return take(read_request())
