-- Transition: absent or finished -> Queued, by a parcel from another store; Queued -> Queued,
-- Leased -> Leased with a successor, by a later schedule of a task that had arrived before. Closed:
-- absent -> Cancelled, any -> unchanged.
-- Keys: meta. Args: open or closed; per parcel: key, id, lane, args, visible_at, due_at, added_at,
-- every, max_attempts, max_crashes, attempts, crashes, failures, crashed in a row, fence, whether
-- there is an error (0, 1), the error, whether a schedule placed it (0, 1). Every, the limits and
-- the fence may be empty.
-- Result: one word per parcel, separated by spaces: arrived, arrived:moved, arrived:follows,
-- superseded, turnedaway, moving, toofar, corrupt.
-- Repeated: the record remembers the parcel and gives the first answer again; nothing changes.
local closed = arg() == 'closed'

local function read_parcel()
  local parcel = { key = arg(), id = arg(), lane = arg(), args = arg() }
  parcel.visible, parcel.due, parcel.added = number() + offset, number() + offset, number() + offset
  parcel.every, parcel.max_attempts, parcel.max_crashes = optional_number(), optional_number(), optional_number()
  parcel.attempts, parcel.crashes, parcel.failures, parcel.crashed = number(), number(), number(), number()
  parcel.fence = optional_number()
  local has_error, failure = arg() == '1', arg()
  parcel.error = has_error and failure or nil
  parcel.scheduled = arg() == '1'
  return parcel
end

local function read_parcels()
  local parcels, keys = {}, {}
  while at < #ARGV do
    local parcel = read_parcel()
    parcels[#parcels + 1], keys[#keys + 1] = parcel, parcel.key
  end
  fetch(keys)
  if closed then begin() else begin_adding(#parcels) end
  return parcels
end

-- The answer to a parcel that a record does not remember.
local function judge(rec, parcel)
  if closed then return 'turnedaway' end
  if not rec or is_finished(rec) then return 'arrived' end
  if rec[STATE] == MOVING then return 'moving' end
  if not parcel.scheduled or string.sub(origin(rec), 1, 7) ~= 'arrived' then return 'superseded' end
  return rec[STATE] == QUEUED and 'arrived:moved' or 'arrived:follows'
end

-- Copies the counts and times of the other store.
local function carry(rec, parcel)
  rec[DUE], rec[ADDED] = parcel.due, parcel.added
  local more = more_of(rec)
  more.attempts, more.crashes, more.failures = some(parcel.attempts), some(parcel.crashes), some(parcel.failures)
  more.crashed, more.error = some(parcel.crashed), parcel.error or more.error
end

local function settle(rec, parcel, answer)
  if answer == 'arrived' then
    rec = rec or new_record(parcel.key)
    live(rec, parcel)
    carry(rec, parcel)
  elseif answer == 'arrived:moved' then
    take_over(rec, parcel)
    carry(rec, parcel)
  elseif answer == 'arrived:follows' then
    more_of(rec).successor = {
      lane = parcel.lane, args = parcel.args, visible = parcel.visible, every = parcel.every,
      max_attempts = parcel.max_attempts, max_crashes = parcel.max_crashes,
    }
  elseif answer == 'turnedaway' and not rec then
    rec, parcel.every = new_record(parcel.key), nil
    live(rec, parcel)
    finish(rec, CANCELLED, RETENTION)
  end
  remember(rec, parcel.id, answer)
  keep(rec)
end

local parcels, answers, fence = read_parcels(), {}, 0
for i, parcel in ipairs(parcels) do
  fence = math.max(fence, parcel.fence or 0)
  local rec, corrupt = load(parcel.key)
  local answer = corrupt and 'corrupt' or rec and answered(rec, parcel.id)
  if not answer and not closed and is_too_far(parcel.visible) then answer = 'toofar' end
  if not answer then
    answer = judge(rec, parcel)
    if answer ~= 'moving' then settle(rec, parcel, answer) end
  end
  answers[i] = answer
end
-- Later runs get larger fences than the runs before the move.
if fence > tonumber(meta[6] or '0') then call('HSET', META, 'fence', whole(fence)) end
finish_writes()
return table.concat(answers, ' ')
