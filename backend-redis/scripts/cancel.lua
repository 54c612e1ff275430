-- Transition: Queued -> Cancelled; Leased -> cancelling, without its successor; Leased and expired
-- -> Cancelled.
-- Keys: meta. Args: key, cancel id.
-- Result: cancelled, cancelling, finished:STATE, notfound, corrupt; moving, elsewhere (its task was
-- moved).
-- Repeated: the record remembers the cancel id and gives the first answer again; a later life is
-- never cancelled.

local function drop_successor(rec)
  if rec[MORE].successor then rec[MORE].successor = nil end
end

begin()
local key, id = arg(), arg()
local rec, corrupt = load(key)
if corrupt then return 'corrupt' end
if not rec then return 'notfound' end
local answer = answered(rec, id)
if answer then return answer end
if rec[STATE] == MOVING then return 'moving' end
if is_away(rec) then return 'elsewhere' end
if is_finished(rec) then
  answer = 'finished:' .. STATES[rec[STATE]]
elseif rec[STATE] == LEASED and rec[VISIBLE] > now then
  answer = 'cancelling'
  rec[CANCELLING] = true
  drop_successor(rec)
else
  answer = 'cancelled'
  drop_successor(rec)
  finish(rec, CANCELLED, RETENTION)
end
remember(rec, id, answer)
keep(rec)
finish_writes()
return answer
