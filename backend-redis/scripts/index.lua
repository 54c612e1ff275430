-- Where a record is found: each one in exactly one index, which place and unplace keep true.

local touched = {} -- indexes whose place in `lanes` is to be looked at
local announced = {} -- wake list -> the earliest moment at which something of its lane becomes visible
local passed_on = {} -- wake lists that get a wake-up whatever is announced

local function is_suspect(rec) return rec.crashes >= SUSPECT_CRASHES end

local function lane_of(rec) return rec.queue .. '|' .. rec.name end

local function list_of(rec) return (is_suspect(rec) and 'ws:' or 'w:') .. lane_of(rec) end

-- Entries of one time stand in order of adding: the sequence comes first, in digits that sort.
local function member_of(key, rec) return string.format('%016x', rec.seq) .. key end

local function key_of(member) return string.sub(member, 17) end

-- The index an unfinished record belongs to.
local function index_of(rec)
  if rec.state == 'queued' then return (is_suspect(rec) and 'sus:' or 'due:') .. lane_of(rec) end
  return (is_suspect(rec) and 'srun:' or 'run:') .. lane_of(rec)
end

local function is_shelf(index) return index == 'finished' or index == 'dead' or index == 'kept' end

-- The index a finished record belongs to, and its score there.
local function shelf_of(rec)
  if rec.every then return 'kept', rec.visible end
  return rec.state == 'dead' and 'dead' or 'finished', rec.expires
end

local function count_finished(rec, by)
  local field = rec.state .. '|' .. lane_of(rec)
  if call('HINCRBY', P .. 'finished_counts', field, by) <= 0 then call('HDEL', P .. 'finished_counts', field) end
end

-- Takes a record out of its index. Call it before the record changes.
local function unplace(key, rec)
  if is_finished(rec) then
    call('ZREM', P .. shelf_of(rec), key)
    count_finished(rec, -1)
  else
    local index = index_of(rec)
    call('ZREM', P .. index, member_of(key, rec))
    touched[index] = true
  end
end

-- Puts a record into its index; what is queued is announced to the waiters of its lane.
local function place(key, rec)
  if is_finished(rec) then
    local shelf, score = shelf_of(rec)
    call('ZADD', P .. shelf, whole(score), key)
    count_finished(rec, 1)
    return
  end
  local index = index_of(rec)
  call('ZADD', P .. index, whole(rec.visible), member_of(key, rec))
  touched[index] = true
  if rec.state == 'queued' then
    local list = list_of(rec)
    announced[list] = math.min(announced[list] or rec.visible, rec.visible)
  end
end

-- Moves a lease's deadline: the record stays in its index.
local function renew(key, rec, deadline)
  rec.visible = deadline
  call('ZADD', P .. index_of(rec), whole(deadline), member_of(key, rec))
end

-- Brings `lanes` up to date with the indexes that were written.
local function settle_lanes()
  for index in pairs(touched) do
    call(call('EXISTS', P .. index) == 1 and 'SADD' or 'SREM', P .. 'lanes', index)
  end
  touched = {}
end

-- Takes an index entry that cannot be used out of the way, once, and keeps it in sight.
local function park(index, member, key)
  call('ZREM', P .. index, member)
  call('SADD', P .. 'corrupt', key)
  if not is_shelf(index) then touched[index] = true end
end
