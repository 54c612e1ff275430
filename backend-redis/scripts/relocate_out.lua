-- Transition: Queued -> Moving; before that, an expired lease -> one crash, with the default limit.
-- Keys: meta. Args: the destination, the id of the call, the most tasks.
-- Result: another destination to which tasks are already moving, or nothing; parcels, in the order
-- of the lanes; the number of expired leases, and the tasks that reached their crash limit by them.
-- Repeated: returns the tasks that are already out, as before, and then more.
begin()
local destination, id, limit = arg(), arg(), number()

local function of_all(first, second)
  local all = {}
  for i, index in ipairs(all_indexes()) do all[i] = { kind = string.match(index, '^%a+'), index = index } end
  return of_kinds(all, first, second)
end

local function parcel_of(rec, args)
  local placed_by, lane, more = origin(rec), lane_of(rec), rec[MORE]
  local scheduled = placed_by ~= 'added' and placed_by ~= 'arrived'
  return {
    more.parcel, rec[KEY], lane.name, lane.queue, args, rec[VISIBLE] - offset, rec[DUE] - offset,
    rec[ADDED] - offset, more.every or false,
    more.max_attempts or false, more.max_crashes or false, more.attempts or 0, more.crashes or 0, more.failures or 0,
    more.crashed or 0, some(rec[FENCE]) or false, more.error or false, scheduled and 1 or 0,
  }
end

local moving, moving_at = earliest(of_all('mov'), math.max(limit, 1), '+inf')
local already = call('HGET', META, 'moving_to')
if already and already ~= destination and #moving > 0 then return { already, {}, 0, {} } end
call('HSET', META, 'moving_to', destination)

local swept = { crashed = 0, limited = {}, parked = {} }
sweep({}, of_all('run', 'srun'), swept)

local found, indexes = {}, {}
for i = 1, math.min(#moving, limit) do found[i], indexes[i] = moving[i], moving_at[i] end
local queued, queued_at = earliest(of_all('due', 'sus'), limit - #found, '+inf')
for i, member in ipairs(queued) do found[#found + 1], indexes[#found + 1] = member, queued_at[i] end
local keys, parcels, bytes = keys_of(found), {}, 0
fetch(keys)
for i, key in ipairs(keys) do
  local rec, index, member = load(key), indexes[i], found[i]
  local args = rec and is_at(rec, index, member) and args_of(rec)
  if not args then
    park(index, member, key)
  else
    bytes = bytes + #args
    if bytes > BATCH_BYTES_MAX and #parcels > 0 then break end
    rec[STATE], more_of(rec).parcel = MOVING, rec[MORE].parcel or id
    keep(rec)
    parcels[#parcels + 1] = parcel_of(rec, args)
  end
end
finish_writes()
return { false, parcels, swept.crashed, swept.limited }
