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
--   requests, requests_at    answered lease requests: the keys they took (hash), when (zset)
--   requests_held    hash    how many leases of a request are not settled; with the last its keys are forgotten
--   workers, workers_leased, workers_until    records (hash), last lease (hash), expiry (zset)
--   w:, ws:              list    at most one wake-up for waiters of a lane (`QUEUE|NAME` or `QUEUE|*`); suspects apart
--   wakes                set     the wake lists that were ever written
--   waiting, p:ID        zset, list   who waits until when (server's time), and a wake-up for each alone
--   armed                hash    who looks again at which moment for a lane, as `MOMENT WAITER WORKER`
--
-- Scores and numbers are whole and below 2^53, so they are exact; `whole` is the only way to turn one into text,
-- because tostring() and .. would round microseconds to 14 digits.

local META = KEYS[1]
local P = string.sub(META, 1, -5)
local CHUNK = 500
local READ_BYTES = 1048576 -- records held in memory at once: about so many bytes of them, and at least one
local call = redis.call

local function whole(number) return string.format('%.0f', number) end

local function server_time()
  local time = call('TIME')
  return tonumber(time[1]) * 1000000 + tonumber(time[2])
end

-- The docket's time: the override, or the server's, never earlier than it was seen before; and how far the server's is
-- behind that.
local function clock()
  local meta = call('HMGET', META, 'clock', 'seen')
  if meta[1] then return tonumber(meta[1]), true, 0 end
  local time, seen = server_time(), tonumber(meta[2] or '0')
  return math.max(time, seen), false, math.max(seen - time, 0)
end
local now, frozen, behind = clock()

-- Invariant: one of these two is the first write of every script that makes a transition. The server judges a script by
-- its first write alone: one that is refused has written nothing, one that is let through is let through to its end.
--
-- Where the server is read-only or cannot persist, it refuses both. Where it is out of memory, it refuses this one: a
-- full docket takes no new tasks.
local function begin_adding() call('HSET', META, 'seen', whole(now)) end

-- This one begins with a deletion, which is let through: a full docket is worked off, else it would be full for ever.
local function begin()
  call('HDEL', META, 'none')
  begin_adding()
end

-- Runs a variadic command over `list` in chunks: unpack() of an unbounded list overflows the stack.
local function chunked(command, key, list)
  for from = 1, #list, CHUNK do call(command, key, unpack(list, from, math.min(from + CHUNK - 1, #list))) end
end

-- Records ------------------------------------------------------------------------------------------------------------

-- What a sound record has, by type; the optional ones may be absent. An unsound one must not fail the call that meets
-- it.
local FIELDS = {
  number = { 'visible', 'due', 'seq', 'attempts', 'crashes', 'failures', 'crashed', 'added' },
  string = { 'state', 'name', 'queue', 'args' },
  table = { 'calls' },
}
local OPTIONAL = { 'every', 'expires', 'fence', 'leased', 'attempts_max', 'crashes_max' }
-- Per state, what it cannot be without.
local STATES = { queued = 'due', leased = 'leased', completed = 'expires', dead = 'expires', cancelled = 'expires' }

local function is_follower(follower)
  return type(follower) == 'table' and type(follower.visible) == 'number' and type(follower.name) == 'string'
    and type(follower.queue) == 'string' and type(follower.args) == 'string'
end

local function is_sound(rec)
  for wanted, names in pairs(FIELDS) do
    for i = 1, #names do
      if type(rec[names[i]]) ~= wanted then return false end
    end
  end
  for i = 1, #OPTIONAL do
    local value = rec[OPTIONAL[i]]
    if value ~= nil and type(value) ~= 'number' then return false end
  end
  if rec.follower ~= nil and not is_follower(rec.follower) then return false end
  return STATES[rec.state] ~= nil and rec[STATES[rec.state]] ~= nil
end

local function decode(raw)
  local read, rec = pcall(cmsgpack.unpack, raw)
  if read and type(rec) == 'table' and is_sound(rec) then return rec end
  return nil
end

-- The record of `key`; nil if there is none; nil and true if it cannot be read.
local function load(key)
  local raw = call('GET', P .. 't:' .. key)
  if not raw then return nil, false end
  local rec = decode(raw)
  return rec, rec == nil
end

local function read_raw(keys, from, till)
  local names, bytes = {}, 1
  for i = from, till do names[#names + 1] = P .. 't:' .. keys[i] end
  local raws = call('MGET', unpack(names))
  for _, raw in ipairs(raws) do bytes = bytes + (raw and #raw or 0) end
  return raws, bytes
end

-- Walks the records of `keys`, in order: for each its place, and the record, nil (absent) or false (cannot be read).
-- Many small ones are read at once, large ones one by one: a thousand of a megabyte each must not be in memory together.
local function records_of(keys)
  local raws, from, till, i, size = nil, 0, 0, 0, 10
  return function()
    i = i + 1
    if i > #keys then return nil end
    if i > till then
      local bytes
      from, till = i, math.min(i + size - 1, #keys)
      raws, bytes = read_raw(keys, from, till)
      size = math.max(1, math.min(CHUNK, math.floor(READ_BYTES * #raws / bytes)))
    end
    local raw = raws[i - from + 1]
    raws[i - from + 1] = false
    if not raw then return i, nil end
    return i, decode(raw) or false
  end
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
