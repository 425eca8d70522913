-- Publishes many messages in one call: a batch of many tenants has a message for each, and a client library takes 20 µs a command.
-- KEYS     none
-- ARGV[1]  the channel
-- ARGV[2]  messages, in order, one a line
for message in string.gmatch(ARGV[2], '[^\n]+') do
  redis.call('PUBLISH', ARGV[1], message)
end
