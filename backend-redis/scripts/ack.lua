-- Transition: Leased -> what the outcome says, for each current token.
-- Keys: meta. Args: see settle.lua.
-- Result: one word per ack (settled, stale, toofar, corrupt), apart by spaces; dead trimmed.
-- Twice: a record knows the token settled last and answers settled again.
begin()
local answers, dead_trimmed = settle_all()
finish_writes()
return { answers, dead_trimmed }
