-- Transition: those of ack.lua, then those of lease.lua.
-- Keys: meta. Args: see settle.lua; then one lease request.
-- Result: as for ack.lua, then as for lease.lua.
-- Repeated: as for ack.lua; the lease request is idempotent by its own id.
begin()
local answers, dead_trimmed = settle_all()
return { answers, dead_trimmed, take(read_request(), false) }
