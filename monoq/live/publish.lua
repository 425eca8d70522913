-- Publishes many messages in one call: a batch of many tenants has a message for each, and a client library takes 20 µs a command.
-- KEYS     none
-- ARGV[1]  the channel
-- ARGV[2…] messages, in order
for n = 2, #ARGV do
  redis.call('PUBLISH', ARGV[1], ARGV[n])
end
return #ARGV - 1
