-- Transition: Moving -> Cancelled (let go), or Queued again, in its old position (put back).
-- Keys: meta. Args: go or back; then per task: key, and the id of the call that took it out.
-- Result: how many tasks.
-- Repeated: skips tasks that are not moving under their ticket.
begin()
local goes, keys, ids = arg() == 'go', {}, {}
while at < #ARGV do keys[#keys + 1], ids[#ids + 1] = arg(), arg() end
fetch(keys)
local place, count = call('HGET', META, 'moving_to') or 'another store', 0
for i, key in ipairs(keys) do
  local rec = load(key)
  if rec and rec[STATE] == MOVING and rec[MORE].parcel == ids[i] then
    if goes then
      finish(rec, CANCELLED, RETENTION)
      more_of(rec).error = 'moved to ' .. place
    else
      rec[STATE], rec[MORE].parcel = QUEUED, nil
    end
    keep(rec)
    count = count + 1
  end
end
finish_writes()
return count
