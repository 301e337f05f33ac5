# The AWS SDK for Ruby, with one client for all calls, of which `whoami` is the only one. ../python/caller.py describes
# the interface.
require 'json'
require 'aws-sdk-core'

sts = Aws::STS::Client.new(endpoint: ARGV[0])
$stdout.sync = true
$stdin.each_line do
  answer = begin
    { ok: sts.get_caller_identity.arn }
  rescue StandardError => e
    { error: "#{e.class}: #{e.message}" }
  end
  puts JSON.generate(answer)
end
