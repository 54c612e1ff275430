-- Common to scripts: the docket's keys, its time, its arguments. No transition is made here.
--
-- KEYS[1] is `docket:{NAME}:meta`; every other key of the docket is derived from it and shares its hash tag:
--
--   meta                 hash    fence, seq, seen, offset, settled, steps, clock, trim, turn, layout, environment, moving_to,
--                                finished_bytes, dead_bytes
--   tasks                hash    a record per task, packed: see record.lua
--   args, results, followers   hash    payloads that are too large for the record of their task
--   queued, leased       zset    the indexes below that are not empty, as `KIND:QUEUE|NAME`, each by a time that is no
--                                later than that of its first entry: of queued and moving tasks, and of leased ones
--   due:, sus:           zset    queued tasks by visible_at; suspects (crashes >= 2) apart
--   run:, srun:          zset    leased tasks by deadline; suspects apart
--   mov:                 zset    tasks that were taken out for a move, by visible_at
--   finished, dead       zset    keys by the time at which they are trimmed
--   kept                 zset    finished perpetuals by the time they finished: never trimmed
--   finished_counts      hash    how many are finished, as `STATE|QUEUE|NAME`
--   corrupt              set     keys whose record or index entry cannot be used; the record is kept as it is
--   requests:0, requests:1    hash    answered lease requests, see remembered.lua
--   workers              hash    the records of workers, see worker.lua
--   w:, ws:              list    a few wake-ups for waiters of a lane (`QUEUE|NAME` or `QUEUE|*`); suspects apart
--   wakes                set     the wake lists that were ever written
--   waiting, p:ID        zset, list   who waits until when (server's time), and a wake-up for each alone
--   armed                hash    who looks again at which moment for a lane, as `MOMENT WAITER WORKER`: see waiters.lua
--
-- A key is a zero byte and 16 bytes where it is a UUID in its usual spelling, as generated ones are, else its text.
--
-- Scores and numbers are whole and below 2^53, so they are exact; `whole` is the only way to turn one into text,
-- because tostring() and .. would round microseconds to 14 digits.

local META = KEYS[1]
local P = string.sub(META, 1, -5)
local call, pack, unpacked, cut_of = redis.call, struct.pack, struct.unpack, string.sub

local whole_number, whole_text
-- Most of a batch have one and the same time.
local function whole(number)
  if number ~= whole_number then whole_number, whole_text = number, string.format('%.0f', number) end
  return whole_text
end

local function server_time()
  local time = call('TIME')
  return tonumber(time[1]) * 1000000 + tonumber(time[2])
end

local meta =
  call('HMGET', META, 'clock', 'seen', 'seq', 'trim', 'turn', 'fence', 'finished_bytes', 'dead_bytes', 'offset', 'layout')
-- A call of another build would take what is there for something else, and nothing is written yet.
if meta[10] and tonumber(meta[10]) ~= LAYOUT then error('OTHERLAYOUT ' .. meta[10]) end

-- The docket's time, and how far it is ahead of the server's clock (or of the override of that, for tests). It never goes
-- back: where the clock was set back, the step goes into the offset. `meta.seen` is the latest time that was written.
local function clock()
  local server, ahead, seen = tonumber(meta[1] or server_time()), tonumber(meta[9] or '0'), tonumber(meta[2] or '0')
  local by = math.max(seen - server - ahead, 0)
  return server + ahead + by, ahead + by, by
end
local now, offset, stepped = clock()
local frozen = meta[1] and true or false

local function note_time()
  call('HSET', META, 'seen', whole(now))
  if stepped == 0 then return end
  call('HSET', META, 'offset', whole(offset))
  if stepped >= STEP_MIN then call('HINCRBY', META, 'steps', 1) end
end

-- How the docket's time stands to the server's clock: the offset since it was last settled, and how often that clock was
-- set back.
local function clock_told()
  if offset == 0 then return { 0, 0 } end
  local told = call('HMGET', META, 'settled', 'steps')
  return { offset - tonumber(told[1] or '0'), tonumber(told[2] or '0') }
end

-- `meta.trim`: no later than the first moment at which something is to be trimmed. 0: not known.
local trim_at = tonumber(meta[4] or '0')

-- Invariant: one of these two is the first write of every script that makes a transition. The server judges a script by
-- its first write alone: one that is refused has written nothing, one that is let through is let through to its end.
--
-- Where the server is read-only or cannot persist, it refuses both. Where it is out of memory, it refuses this one: a
-- full docket takes no new tasks. It draws a sequence number for each of so many tasks: gaps are harmless.
local seq, seq_last = 0, 0
local function begin_adding(count)
  seq = tonumber(meta[3] or '0')
  seq_last = seq + count
  call('HSET', META, 'seen', whole(now), 'seq', whole(seq_last))
  if stepped > 0 then note_time() end
  if not meta[10] then call('HSET', META, 'layout', LAYOUT) end
end

-- This one begins with a deletion, which is let through: a full docket is worked off, else it would be full for ever.
local function begin()
  call('HDEL', META, 'none')
  note_time()
  if not meta[10] then call('HSET', META, 'layout', LAYOUT) end
end

-- Draws fences, one after the other; answers the one before the first. They are above all drawn before, also where the
-- docket came back from a snapshot that does not know the latest: for that they are no smaller than its time.
local fence_last = tonumber(meta[6] or '0')
local function draw_fences(count)
  local before = math.max(fence_last, now - 1)
  fence_last = before + count
  call('HSET', META, 'fence', whole(fence_last))
  return before
end

-- Runs a variadic command over `list` in chunks: unpack() of an unbounded list overflows the stack.
local function chunked(command, key, list)
  for from = 1, #list, CHUNK do call(command, key, unpack(list, from, math.min(from + CHUNK - 1, #list))) end
end

-- A list of the table of lists `lists`, made when it is first asked for.
local function list_in(lists, name)
  local list = lists[name]
  if not list then
    list = {}
    lists[name] = list
  end
  return list
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
