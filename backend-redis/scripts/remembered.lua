-- Answered lease requests, remembered for REQUEST_MEMORY at least and twice that at most: in two hashes that take
-- turns, so that what is old goes as a whole. `meta.turn` counts the turns.
--
-- A request has the keys that it took, and under its name and `#` how many of their leases are not settled.

local turn = tonumber(meta[5] or '0')
local function requests_of(which) return P .. 'requests:' .. which % 2 end

-- Goes on to the other hash when it is time; what lies there is old.
local function take_turns()
  local due = math.floor(now / REQUEST_MEMORY)
  if due == turn then return end
  call('UNLINK', requests_of(due))
  if due > turn + 1 then call('UNLINK', requests_of(due - 1)) end
  call('HSET', META, 'turn', whole(due))
  turn = due
end

-- The keys that an answered request took, packed.
local function remembered(request)
  return call('HGET', requests_of(turn), request) or call('HGET', requests_of(turn - 1), request)
end

local function remember_request(request, keys)
  if #keys == 0 then
    call('HSET', requests_of(turn), request, cmsgpack.pack(keys))
  else
    call('HSET', requests_of(turn), request, cmsgpack.pack(keys), request .. '#', #keys)
  end
end

-- Counts leases of a request that have ended. With the last of them its keys go, so that what is remembered of a busy
-- worker is little more than the request's id. Answers whether this is the hash that it is remembered in.
local function let_go_in(hash, request, count)
  local left = call('HINCRBY', hash, request .. '#', -count)
  if left <= 0 then call('HDEL', hash, request .. '#') end
  if left == 0 then call('HSET', hash, request, cmsgpack.pack({})) end
  return left >= 0
end

local function let_go(request, count)
  return let_go_in(requests_of(turn), request, count) or let_go_in(requests_of(turn - 1), request, count)
end
