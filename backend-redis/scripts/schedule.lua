-- Transition: absent or finished -> Queued; Queued -> Queued, moved; Leased -> Leased with a follower.
-- Keys: meta. Args: as add.lua.
-- Result: one text per task: placed, moved, follows, corrupt.
-- Twice: a record knows the add id and gives the first answer again; nothing changes.
begin_adding()
local answers = {}
while at < #ARGV do
  local item = read_item()
  local key, rec, corrupt = item.key, load(item.key)
  local answer = rec and answered(rec, item.id)
  if corrupt then
    answer = 'corrupt'
  elseif not answer then
    if rec and rec.state == 'leased' then
      answer = 'follows'
      rec.follower = {
        name = item.name, queue = item.queue, args = item.args, visible = item.visible, every = item.every,
        attempts_max = item.attempts_max, crashes_max = item.crashes_max,
      }
    else
      if rec then unplace(key, rec) end
      if rec and rec.state == 'queued' then
        answer = 'moved'
        take_over(rec, item)
      else
        answer = 'placed'
        rec = rec or { calls = {} }
        live(rec, item)
      end
      place(key, rec)
    end
    remember(rec, item.id, answer)
    save(key, rec)
  end
  answers[#answers + 1] = answer
end
finish_writes()
return answers
