-- Common to every script: the docket's keys, its time, its records and its indexes. No transition is made here.
--
-- KEYS[1] is `docket:{NAME}:meta`; every other key of the docket is derived from it and shares its hash tag:
--
--   meta                 hash    fence, seq, seen, clock, layout, environment
--   t:KEY                string  a record, packed
--   lanes                set     the indexes below that are not empty, as `KIND:QUEUE|NAME`
--   due:, sus:           zset    queued tasks by visible_at; suspects (crashes >= 2) apart
--   run:, srun:          zset    leased tasks by deadline; suspects apart
--   finished, dead       zset    keys by the time at which they are trimmed
--   kept                 zset    finished perpetuals by the time they finished: never trimmed
--   finished_counts      hash    how many are finished, as `STATE|QUEUE|NAME`
--   corrupt              set     keys whose record or index entry cannot be used; the record is kept as it is
--   requests, requests_at        answered lease requests: the keys they took (hash), when (zset)
--   workers, workers_leased, workers_until   records (hash), last lease (hash), expiry (zset)
--   w:, ws:              list    at most one wake-up for waiters of a lane (`QUEUE|NAME` or `QUEUE|*`); suspects apart
--   wakes                set     the wake lists that were ever written
--   waiting, p:ID        zset, list   who waits until when, and a wake-up for each alone
--
-- Scores and numbers are whole and below 2^53, so they are exact; `whole` is the only way to turn one into text, because
-- tostring() and .. would round microseconds to 14 digits.

local META = KEYS[1]
local P = string.sub(META, 1, -5)
local CHUNK = 500
local call = redis.call

local function whole(number) return string.format('%.0f', number) end

-- The docket's time: the override, or the server's, never earlier than it was seen before.
local function clock()
  local meta = call('HMGET', META, 'clock', 'seen')
  if meta[1] then return tonumber(meta[1]), true end
  local time = call('TIME')
  return math.max(tonumber(time[1]) * 1000000 + tonumber(time[2]), tonumber(meta[2] or '0')), false
end
local now, frozen = clock()

-- Invariant: the first write of every script that writes. The server refuses this command when it is out of memory,
-- read-only or cannot persist, and then nothing at all has been written; ZREM alone would have been let through.
local function begin() call('HSET', META, 'seen', whole(now)) end

-- Runs a variadic command over `list` in chunks: unpack() of an unbounded list overflows the stack.
local function chunked(command, key, list)
  for from = 1, #list, CHUNK do call(command, key, unpack(list, from, math.min(from + CHUNK - 1, #list))) end
end

-- Records ------------------------------------------------------------------------------------------------------------

local NUMBERS = { 'visible', 'due', 'seq', 'attempts', 'crashes', 'failures', 'crashed', 'added' }
local TEXTS = { 'state', 'name', 'queue', 'args' }

local function decode(raw)
  local sound, rec = pcall(cmsgpack.unpack, raw)
  if not sound or type(rec) ~= 'table' or type(rec.calls) ~= 'table' then return nil end
  for i = 1, #NUMBERS do
    if type(rec[NUMBERS[i]]) ~= 'number' then return nil end
  end
  for i = 1, #TEXTS do
    if type(rec[TEXTS[i]]) ~= 'string' then return nil end
  end
  return rec
end

-- The record of `key`; nil if there is none; nil and true if it cannot be read.
local function load(key)
  local raw = call('GET', P .. 't:' .. key)
  if not raw then return nil, false end
  local rec = decode(raw)
  return rec, rec == nil
end

-- The records of `keys`, in order: each a record, nil (absent) or false (cannot be read).
local function load_all(keys)
  local records = {}
  for from = 1, #keys, CHUNK do
    local names = {}
    for i = from, math.min(from + CHUNK - 1, #keys) do names[#names + 1] = P .. 't:' .. keys[i] end
    for i, raw in ipairs(call('MGET', unpack(names))) do
      if raw then records[from + i - 1] = decode(raw) or false end
    end
  end
  return records
end

local function save(key, rec) call('SET', P .. 't:' .. key, cmsgpack.pack(rec)) end

local function next_seq() return call('HINCRBY', META, 'seq', 1) end

local function is_finished(rec) return rec.state ~= 'queued' and rec.state ~= 'leased' end

-- The state as people see it: a lease that ran out is ready again.
local function shown_state(rec)
  if rec.state == 'queued' then return rec.visible <= now and 'ready' or 'scheduled' end
  if rec.state == 'leased' then return rec.visible <= now and 'ready' or 'running' end
  return rec.state
end

local function existing(rec)
  if rec.state == 'leased' and rec.cancelling then return 'exists:cancelling' end
  return 'exists:' .. shown_state(rec)
end

-- The answer that the call `id` got before, if the record still knows it.
local function answered(rec, id)
  for i = 1, #rec.calls, 2 do
    if rec.calls[i] == id then return rec.calls[i + 1] end
  end
  return nil
end

local function remember(rec, id, answer)
  rec.calls[#rec.calls + 1] = id
  rec.calls[#rec.calls + 1] = answer
  while #rec.calls > 2 * CALL_IDS_MAX do
    table.remove(rec.calls, 1)
    table.remove(rec.calls, 1)
  end
end

-- Indexes ------------------------------------------------------------------------------------------------------------

local touched = {} -- indexes whose place in `lanes` is to be looked at
local woken = {} -- wake-ups to give, as kind .. ':' .. lane

local function lane_of(rec) return rec.queue .. '|' .. rec.name end

local function member_of(key, rec) return string.format('%016x', rec.seq) .. key end

local function key_of(member) return string.sub(member, 17) end

-- The index an unfinished record belongs to.
local function index_of(rec)
  local suspect = rec.crashes >= SUSPECT_CRASHES
  if rec.state == 'queued' then return (suspect and 'sus:' or 'due:') .. lane_of(rec) end
  return (suspect and 'srun:' or 'run:') .. lane_of(rec)
end

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

-- Puts a record into its index. A queued one wakes a waiter if it is due, or the next of its lane (the waiter must wait
-- less long than it thought).
local function place(key, rec)
  if is_finished(rec) then
    local shelf, score = shelf_of(rec)
    call('ZADD', P .. shelf, whole(score), key)
    count_finished(rec, 1)
    return
  end
  local index, member = index_of(rec), member_of(key, rec)
  call('ZADD', P .. index, whole(rec.visible), member)
  touched[index] = true
  if rec.state == 'queued' and (rec.visible <= now or call('ZRANGE', P .. index, 0, 0)[1] == member) then
    woken[(rec.crashes >= SUSPECT_CRASHES and 'ws:' or 'w:') .. lane_of(rec)] = index
  end
end

-- Brings `lanes` up to date with the indexes that were written.
local function settle_lanes()
  for index in pairs(touched) do
    call(call('EXISTS', P .. index) == 1 and 'SADD' or 'SREM', P .. 'lanes', index)
  end
  touched = {}
end

-- Leaves one wake-up in a list, unless one is there: it is kept until a waiter takes it.
local function wake(list)
  if call('EXISTS', P .. list) == 0 then
    call('RPUSH', P .. list, '1')
    call('SADD', P .. 'wakes', list)
  end
end

-- The last step of every script that moves tasks.
local function finish_writes()
  settle_lanes()
  for list, index in pairs(woken) do
    -- Taken in the meantime: nobody needs to look.
    if index == true or call('EXISTS', P .. index) == 1 then
      wake(list)
      wake(string.gsub(list, '|.*$', '|*'))
    end
  end
  woken = {}
end

-- Takes an index entry that cannot be used out of the way, once, and keeps it in sight.
local function park(index, member, key)
  call('ZREM', P .. index, member)
  call('SADD', P .. 'corrupt', key)
  touched[index] = true
end

-- Workers ------------------------------------------------------------------------------------------------------------

-- Writes a worker's record; `leasing` says that this is a lease call: its sign of life. Zero ttl takes it away.
local function write_worker(id, record, ttl, leasing)
  local gone = call('ZRANGEBYSCORE', P .. 'workers_until', '-inf', whole(now), 'LIMIT', 0, TRIM_ITEMS_MAX)
  if ttl <= 0 then gone[#gone + 1] = id end
  if #gone > 0 then
    chunked('ZREM', P .. 'workers_until', gone)
    chunked('HDEL', P .. 'workers', gone)
    chunked('HDEL', P .. 'workers_leased', gone)
  end
  if ttl <= 0 then return end
  call('HSET', P .. 'workers', id, record)
  call('ZADD', P .. 'workers_until', whole(now + ttl), id)
  if leasing then call('HSET', P .. 'workers_leased', id, whole(now)) end
end

-- Arguments, read in order.
local at = 0
local function arg()
  at = at + 1
  return ARGV[at]
end
local function number() return tonumber(arg()) end
-- An argument that may be absent is sent as an empty text.
local function optional()
  local text = arg()
  if text == '' then return nil end
  return text
end
local function optional_number() return tonumber(optional() or '') end
