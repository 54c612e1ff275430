-- Answered lease requests, remembered for at least REQUEST_MEMORY and at most twice that. Two
-- hashes alternate, so that old requests are deleted as a whole. `meta.turn` counts the
-- alternations.
--
-- A request is stored with its keys and, under its id and `#`, the number of its leases that are
-- not settled.

local turn = tonumber(meta[5] or '0')
local function requests_of(which) return P .. 'requests:' .. which % 2 end

-- Switches to the other hash when it is time, and deletes the old requests there.
local function take_turns()
  local due = math.floor(now / REQUEST_MEMORY)
  if due == turn then return end
  call('UNLINK', requests_of(due))
  if due > turn + 1 then call('UNLINK', requests_of(due - 1)) end
  call('HSET', META, 'turn', whole(due))
  turn = due
end

-- The keys of an answered request, packed.
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

-- Counts leases of a request that have ended. With the last one its keys are dropped, so that
-- little more than the id of a request is remembered. Answers whether this hash holds the request.
local function let_go_in(hash, request, count)
  local left = call('HINCRBY', hash, request .. '#', -count)
  if left <= 0 then call('HDEL', hash, request .. '#') end
  if left == 0 then call('HSET', hash, request, cmsgpack.pack({})) end
  return left >= 0
end

local function let_go(request, count)
  return let_go_in(requests_of(turn), request, count) or let_go_in(requests_of(turn - 1), request, count)
end
