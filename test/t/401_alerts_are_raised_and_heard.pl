# A worker evaluates the alert rules between batches, and who listens hears of it; no
# transaction that stores events tells anybody.  A worker that stands still is no
# silence.  A rule that fails is logged once, and holds nothing, nor does one that takes
# too long.  A dump brings rules and alerts along.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use CdrService::Fixture;

my $cdr = CdrService::Fixture->new('alerts',
	config => "cdr_service.alert_interval = 0\n");
my $node     = $cdr->node;
my $listener = $cdr->session;

$listener->send('LISTEN cdr_alert');
$listener->receive;

# What was told since, of each alert: rule, state, and whether a worker said so.
sub heard
{
	my $worker = join '|', $cdr->worker_pids;

	$listener->send('SELECT 1');
	return join ', ', map {
		my ($payload, $pid) = /payload "(.*)" received .* PID (\d+)/;
		my ($rule, $state) =
		  $payload =~ /"rule" : "(\w+)".*"state" : "(\w+)"/;
		"$rule $state" . ($pid =~ /^(?:$worker)$/ ? '' : ' by another');
	} grep { /^Asynchronous/ } split /\n/, $listener->receive;
}

sub wait_for_alert
{
	my ($rule) = @_;

	$cdr->wait_for("count(*) > 0 FROM cdr_alerts WHERE rule = '$rule'");
	return;
}

# --- a worker, and who listens

$cdr->sql(<<'EOS');
INSERT INTO cdr_alert_rules (name, metric, scope, time_window, raise_at, clear_at, lag, every)
VALUES ('many', 'calls', 'tenant', '1 hour', 10, 5, '0', '10 s')
EOS
my $start =
  $cdr->sql(q{SELECT to_char((now() - interval '30 s') AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')}
  );

sub call_started
{
	my ($call) = @_;

	return
	  qq({"eventType":"call.started","callId":"$call","timestamp":"$start","from":"+12125550143","to":"1001","tenantId":"atlas"});
}

$cdr->publish(map { call_started("call $_") } 1 .. 12);
$cdr->wait_for('count(*) = 12 FROM calls');
is heard(), '', 'what stores events tells nobody';
is $cdr->sql('SELECT count(*) FROM cdr_alert_progress'), 0,
  'with an interval of 0, no worker evaluates rules';
$cdr->set('cdr_service.alert_interval' => '1s');
wait_for_alert('many');
is heard(), 'many raised', 'a worker raises an alert, and tells who listens';
is $cdr->sql(
	'SELECT subject, tenant_id, last_value, late, cardinality(call_ids) FROM cdr_alerts'
  ),
  'atlas|atlas|12|f|12', 'with what it found';

# --- somebody holds what a rule needs

my $session = $cdr->session;
$session->send('BEGIN');
$session->send('LOCK TABLE cdr_alerts');
$session->receive;
$cdr->wait_for(
	q{last_error LIKE 'could not evaluate alert rules: %lock timeout' FROM cdr_status()}
);
$cdr->publish(call_started('meanwhile'));
$cdr->wait_for('count(*) = 13 FROM calls');
pass('a lock holds up the rules, but no event');
$session->send('ROLLBACK');
$session->receive;

# --- a rule that fails

my $log = $cdr->log_size;
$cdr->sql(<<'EOS');
CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'broken'; END $$;
CREATE TRIGGER fail BEFORE INSERT ON cdr_alerts FOR EACH ROW WHEN (NEW.rule = 'bad') EXECUTE FUNCTION fail();
INSERT INTO cdr_alert_rules (name, metric, time_window, raise_at, clear_at, lag, every)
SELECT unnest('{bad,good}'::text[]), 'calls', '1 hour', 10, 5, '0', '10 s';
EOS
wait_for_alert('good');
$cdr->wait_for(q{last_error LIKE '%broken%' FROM cdr_status()});
my $time = $cdr->status('last_error_time');
$cdr->wait_for("last_error_time > '$time' FROM cdr_status()");
is $cdr->log_matches(qr/ERROR:  broken/, $log), 1,
  'a rule that fails again and again is logged once';
like $cdr->log_since($log), qr/while evaluating alert rule "bad"/,
  'with its name';
$cdr->publish(call_started('another'));
$cdr->wait_for('count(*) = 14 FROM calls');
pass('and events are stored meanwhile');
is heard(), 'good raised', 'as are the alerts of others';

# --- a rule that takes too long

$cdr->sql(<<'EOS');
CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN LOOP END LOOP; END $$;
CREATE TRIGGER linger BEFORE INSERT ON cdr_alert_progress FOR EACH ROW WHEN (NEW.rule = 'slow') EXECUTE FUNCTION linger();
INSERT INTO cdr_alert_rules (name, metric, time_window, raise_at, clear_at, lag, every)
SELECT unnest('{slow,steady}'::text[]), 'calls', '1 hour', 10, 5, '0', '10 s';
EOS
$cdr->wait_for(
	q{last_error LIKE 'could not evaluate alert rules: canceling statement%' FROM cdr_status()}
);
# it rests for four times as long: a reload ends that
$cdr->sql('SELECT pg_reload_conf()');
wait_for_alert('steady');
pass('a rule that takes too long is cancelled, and holds none of the others');
$cdr->publish(call_started('and another'));
$cdr->wait_for('count(*) = 15 FROM calls');
like $cdr->sql(q{SELECT detail FROM cdr_health WHERE "check" = 'alerts'}),
  qr/late: 2; rule "bad", never yet/, 'which cdr_health tells';
like heard(), qr/^steady raised/, 'nor anything of them';
$cdr->sql(q{DELETE FROM cdr_alert_rules WHERE name = 'slow'});

# --- silence, and a worker that stands still

my @pids = $cdr->worker_pids;
$cdr->sql('SELECT cdr_pause()');
$cdr->wait_until_paused(@pids);
$cdr->sql(<<'EOS');
DELETE FROM cdr_alert_rules WHERE name = 'bad';
INSERT INTO calls (call_id, status, start_time, event_count, first_event_time, last_event_time)
SELECT 'past ' || i, 'STARTED', t, 1, t, t
FROM generate_series(0, 600) AS i, LATERAL (SELECT now() - interval '7 days 1 minute' + i * interval '1 s' AS t) AS time;
INSERT INTO cdr_alert_rules (name, metric, time_window, weeks, raise_at, clear_at, lag, every)
VALUES ('silence', 'silence', '10 s', 1, 0, 0, '0', '10 s');
EOS
is $cdr->sql(q{SELECT value FROM cdr_try_alert_rule('silence')}) + 0, 0,
  'there is no call, where there always was one';
$cdr->sql('SELECT cdr_check_alerts()');
is $cdr->sql(q{SELECT count(*) FROM cdr_alerts WHERE rule = 'silence'}), 0,
  'but a worker that is stopped is no silence';
$cdr->sql('SELECT cdr_resume()');
wait_for_alert('silence');
like heard(), qr/silence raised/, 'that of one that consumes is';

# --- a dump

my $before = $cdr->sql('SELECT max(id) FROM cdr_alerts');
my $dump   = $node->basedir . '/alerts.dump';
command_ok([ 'pg_dump', '-f', $dump, $node->connstr('postgres') ], 'pg_dump');
$cdr->sql('CREATE DATABASE restored');
command_ok(
	[
		'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-o', '/dev/null', '-f',
		$dump,  '-d',    $node->connstr('restored')
	],
	'restored');
foreach my $rows (
	'cdr_alert_rules',
	'(SELECT id, rule, subject, raised_at, call_ids FROM cdr_alerts)')
{
	my $query = "SELECT t::text FROM $rows AS t ORDER BY 1";

	is $cdr->sql($query, 'restored'), $cdr->sql($query), "with $rows";
}
cmp_ok $cdr->sql(q{SELECT nextval('cdr_alerts_id_seq')}, 'restored'), '>',
  $before, 'and the numbers that follow';

done_testing();
