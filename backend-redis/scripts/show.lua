-- A record as Inspect shows it.
local function view(key, rec)
  local follower = rec.follower
  return {
    key, rec.name, rec.queue, shown_state(rec), rec.args, rec.attempts, rec.crashes, rec.fence or false, rec.visible,
    rec.added, rec.worker or false, rec.error or false, rec.result or false, rec.every or false, rec.failures,
    rec.cancelling and 1 or 0, follower and follower.args or false, follower and follower.visible or false,
  }
end
