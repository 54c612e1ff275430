-- Transition: Leased -> Leased, visible_at = now + lease, for each current token.
-- Keys: meta. Args: worker id, its record, ttl, lease; per token: key, fence, request.
-- Result: one word per token, separated by spaces: held, lost, cancelled, corrupt.
-- Repeated: the deadline moves again, as with the next heartbeat.
begin()
local worker, record, ttl, lease = arg(), arg(), number(), number()
write_worker(worker, record, ttl, false)
local tokens, keys = {}, {}
while at < #ARGV do
  local token = { key = arg(), fence = number(), request = arg() }
  tokens[#tokens + 1], keys[#keys + 1] = token, token.key
end
fetch(keys)
local answers = {}
for i, token in ipairs(tokens) do
  local rec, corrupt = load(token.key)
  local answer = corrupt and 'corrupt' or 'lost'
  if rec and rec[STATE] == LEASED and rec[FENCE] == token.fence and rec[REQUEST] == token.request then
    rec[VISIBLE] = now + lease
    keep(rec)
    answer = rec[CANCELLING] and 'cancelled' or 'held'
  end
  answers[i] = answer
end
flush()
return table.concat(answers, ' ')
