-- Transition: Queued -> Moving; before that, a late lease -> one crash, as for a worker of any name.
-- Keys: meta. Args: where to, the id of the call, how many tasks at most.
-- Result: the place to which tasks move already, or nothing; parcels, in the order of the line.
-- Twice: what was taken out comes first, as it came before, and then more.
begin()
local destination, id, limit = arg(), arg(), number()

local function all_indexes()
  local all = {}
  for _, index in ipairs(call('SMEMBERS', P .. 'lanes')) do
    all[#all + 1] = { kind = string.match(index, '^%a+'), index = index }
  end
  return all
end

local function parcel_of(rec, args)
  local placed_by = origin(rec)
  local scheduled = placed_by ~= 'added' and placed_by ~= 'arrived'
  return {
    rec.parcel, rec.key, rec.name, rec.queue, args, rec.visible, rec.due, rec.added, rec.every or false,
    rec.attempts_max or false, rec.crashes_max or false, rec.attempts, rec.crashes, rec.failures, rec.crashed,
    rec.fence or false, rec.error or false, scheduled and 1 or 0,
  }
end

local moving = earliest(of_kinds(all_indexes(), 'mov'), math.max(limit, 1), '+inf')
local already = call('HGET', META, 'moving_to')
if already and already ~= destination and #moving > 0 then return { already, {} } end
call('HSET', META, 'moving_to', destination)

local swept = { crashed = 0, limited = {}, parked = {} }
sweep({ any = CRASHES_MAX }, all_indexes(), swept)

local found = {}
for i = 1, math.min(#moving, limit) do found[i] = moving[i] end
for _, entry in ipairs(earliest(of_kinds(all_indexes(), 'due', 'sus'), limit - #found, '+inf')) do
  found[#found + 1] = entry
end
local keys, parcels, bytes = keys_of(found), {}, 0
fetch(keys)
for i, key in ipairs(keys) do
  local rec, entry = load(key), found[i]
  local args = rec and is_at(rec, entry) and text_of(rec, 'args', rec.args)
  if not args then
    park(entry.index, entry.member, key)
  else
    bytes = bytes + #args
    if bytes > BATCH_BYTES_MAX and #parcels > 0 then break end
    rec.state, rec.parcel = 'moving', rec.parcel or id
    keep(rec)
    parcels[#parcels + 1] = parcel_of(rec, args)
  end
end
finish_writes()
return { false, parcels }
