-- Transition: Leased -> Leased, visible_at = now + lease, for each current token.
-- Keys: meta. Args: worker id, its record, ttl, lease; per token: key, fence, request.
-- Result: one text per token: held, lost, cancelled, corrupt.
-- Twice: the deadline moves again, as it would with the next heartbeat.
begin()
local worker, record, ttl, lease = arg(), arg(), number(), number()
write_worker(worker, record, ttl, false)
local answers = {}
while at < #ARGV do
  local key, fence, request = arg(), number(), arg()
  local rec, corrupt = load(key)
  local answer = corrupt and 'corrupt' or 'lost'
  if rec and rec.state == 'leased' and rec.fence == fence and rec.request == request then
    renew(key, rec, now + lease)
    save(key, rec)
    answer = rec.cancelling and 'cancelled' or 'held'
  end
  answers[#answers + 1] = answer
end
return answers
