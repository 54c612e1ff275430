-- Transition: Leased -> as the outcome says, for each current token.
-- Keys: meta. Args: see settle.lua.
-- Result: one word per ack (settled, stale, toofar, corrupt), separated by spaces; the number of
-- dead tasks trimmed.
-- Repeated: the record remembers the token that settled it last and answers settled again.
begin()
local answers, dead_trimmed = settle_all()
finish_writes()
return { answers, dead_trimmed }
