# The password comes out of a file that is safe, anew for each connection; and
# it shows nowhere: in no line of the log at its wordiest, no view, no error.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use CdrService::Events qw(simple_events);
use CdrService::Fixture;
use CdrService::Util qw(run poll);

my %secret = (
	first     => 'first-4711-never-to-be-seen',
	second    => 'second-4712-never-to-be-seen',
	uri       => 'uri-4716-never-to-be-seen',
	wrong     => 'wrong-4713-never-to-be-seen',
	malformed => 'malformed-4714-never-to-be-seen',
	misplaced => 'misplaced-4715-never-to-be-seen');
my $secrets = qr/\d{4}-never-to-be-seen/;

my $broker = CdrService::Broker->shared;
my $port   = $broker->port;
my $vhost  = $broker->vhost;
my $user   = "secrets-$vhost";
my $dead   = PostgreSQL::Test::Cluster::get_free_port();

sub set_broker_password
{
	my ($password) = @_;

	return $broker->erlang(
		"ok = rabbit_auth_backend_internal:put_user(#{name => <<\"$user\">>,"
		  . " password => <<\"$password\">>, tags => <<>>}, <<\"test\">>),"
		  . " ok = rabbit_auth_backend_internal:set_permissions(<<\"$user\">>,"
		  . " <<\"$vhost\">>, <<\".*\">>, <<\".*\">>, <<\".*\">>, <<\"test\">>)"
	);
}

sub break_connection
{
	return $broker->ctl('close_all_user_connections', $user, 'test');
}

my $file = PostgreSQL::Test::Utils::tempdir('secret') . '/password';

sub write_password
{
	my ($text) = @_;

	unlink $file;
	append_to_file($file, $text);
	chmod 0600, $file or die "could not protect $file: $!";
	return;
}

# --- a URI with a password in it: what of it the server shows, and warns of

my $S      = $secret{misplaced};
my $hidden = '********';
my @uris   = (
	[ plain => '' ],
	[ plain => 'amqp://cdr@rabbit' ],
	[ plain => 'amqps://cdr@r1.example.org:5671/v, amqps://r2/,amqp://cdr@r3' ],
	[ plain => 'amqps://cdr%40example@[::1]:5671/%2Fcdr' ],
	[ masked => "amqp://u:$S\@h", "amqp://u:$hidden\@h" ],
	[ masked => "amqp://u:%40$S\@h:1/", "amqp://u:$hidden\@h:1/" ],
	[ masked => 'amqp://u:@h', "amqp://u:$hidden\@h" ],
	[
		masked => "amqp://u:$S\@h:1/v,amqps://x\@y , amqps://v:$S\@[::1]/, ",
		"amqp://u:$hidden\@h:1/v,amqps://x\@y , amqps://v:$hidden\@[::1]/, "
	],
	map { [ refused => $_ ] } (
		' , ',
		'amqp://h',
		"amqp://:$S\@h",
		"amqps://\@h/$S",
		"amqp://u:$S\@h:0",
		"amqp://u:$S\@h:65536",
		"amqp://u:$S\@h//",
		"amqp://u:$S%\@h",
		"amqp://u:$S%4\@h",
		"amqp://u:$S%zz\@h",
		"amqp://u:$S\@h/%00",
		"amqp://u:$S\@h/" . 'v' x 256,
		$S,
		"u:$S",
		"u:$S\@h",
		"//u:$S\@h",
		"amqp//u:$S\@h",
		"amqp:u:$S\@h",
		"AMQP://u:$S\@h",
		"http://u:$S\@h",
		"amqp://u:$S",
		"amqp://u:$S\@",
		"amqp://u:1$S\@/v",
		"amqp://u:p\@$S\@h",
		"amqp://u:p\@$S/w\@h",
		"amqp://u:p\@$S%40h",
		"amqp://u:p:$S\@h",
		"amqp://u:p/$S\@h",
		"amqp://u:1/$S\@h",
		"amqp://u:1/$S:1",
		"amqp://u:1,$S\@h",
		"amqp://u:1 $S\@h",
		"amqp://u:p\t$S\@h",
		"amqp://u:p?$S\@h",
		"amqp://u:p#$S\@h",
		"amqp://u\@h?password=$S",
		"amqp://u%3a$S\@h",
		"amqp://u\@[$S]",
		'amqp://u:471100',
		"amqp://u:p\@h, amqp://v:$S"));

my %warning = (
	masked => qr/WARNING:  cdr_service\.amqp_uri holds a password\n/,
	refused => qr/LOG:  (?:22023: )?invalid value for parameter "cdr_service\.amqp_uri"\n.*DETAIL:  URI \d .*\n.*HINT: /);

# The reload that brings this name of the queue has brought all else.
sub reloaded
{
	my ($cdr, $name, %settings) = @_;

	$cdr->set('cdr_service.queue' => $name, %settings);
	return $cdr->wait_for("current_setting('cdr_service.queue') = '$name'");
}

# Without a server that listens, and with the setting on the command line.
sub single_user
{
	my ($cdr, $uri, $statement) = @_;

	return run(
		[
			$cdr->node->installed_command('postgres'),
			'--single', '-D', $cdr->node->data_dir,
			'-c', "cdr_service.amqp_uri=$uri",
			'postgres'
		],
		"$statement\n");
}

sub shows_masked
{
	my $cdr = CdrService::Fixture->new(
		'masked',
		broker    => $broker,
		extension => 0);
	my $case = 0;
	my $last = '';

	is($cdr->log_matches($warning{masked}, 0),
		1, 'a password in the URI is warned of at start, once');
	reloaded($cdr, 'no case');
	is($cdr->log_matches($warning{masked}, 0),
		1, 'and not again when something else changes');

	foreach (@uris)
	{
		my ($kind, $uri, $shown) = @$_;
		my $offset = $cdr->log_size;

		reloaded($cdr, 'case ' . ++$case, 'cdr_service.amqp_uri' => $uri);
		$shown = $kind eq 'refused' ? $last : $uri unless defined $shown;
		is($cdr->sql('SHOW cdr_service.amqp_uri'),
			$shown, "\"$uri\" is $kind");
		$last = $shown;
		unlike($cdr->log_since($offset), qr/\Q$S\E/, 'and not in the log')
		  if $kind eq 'refused';
		foreach my $other ('masked', 'refused')
		{
			is($cdr->log_matches($warning{$other}, $offset),
				$other eq $kind ? 1 : 0, "warnings of a text that is $other");
		}
	}
	$cdr->node->restart;
	is($cdr->sql('SHOW cdr_service.amqp_uri'), '', 'a restart: refused, too');

	$cdr->sql("ALTER SYSTEM SET cdr_service.amqp_uri = 'amqp://u:$S\@system'");
	reloaded($cdr, 'ALTER SYSTEM');
	is($cdr->sql('SHOW cdr_service.amqp_uri'),
		"amqp://u:$hidden\@system", 'ALTER SYSTEM: masked');
	unlike($cdr->error_of("SET cdr_service.amqp_uri = 'amqp://u:$S\@set'"),
		qr/WARNING|ERROR:.*$secrets/, 'SET: refused, without the value');
	$cdr->node->stop;
	like(
		single_user($cdr, "amqp://u:$S\@line", 'SHOW cdr_service.amqp_uri'),
		qr/"amqp:\/\/u:\*{8}\@line"/,
		'command line: masked');
	return;
}

shows_masked();

# --- the recommended way

set_broker_password($secret{first});
write_password("$secret{first}\n");
my $recommended = "amqp://$user\@127.0.0.1:$port/$vhost";
my $cdr         = CdrService::Fixture->new(
	'secrets',
	broker => $broker,
	config => <<"EOC");
cdr_service.amqp_uri = '$recommended'
cdr_service.amqp_password_file = '$file'
log_min_messages = debug5
log_min_error_statement = debug5
log_error_verbosity = verbose
log_connections = on
log_disconnections = on
log_duration = on
EOC
pass('the password of the file lets the worker in');

my $published = 0;

sub drains
{
	my ($name) = @_;

	$cdr->publish(simple_events(30, $name));
	$published += 30;
	return $cdr->wait_drained($published);
}

# Nothing that anybody can ask the server shows a secret.  (The sieve is here:
# a query for a secret would hold it.)
sub shows_nowhere
{
	my ($name) = @_;
	my @seen;

	foreach my $query (
		'SELECT * FROM cdr_status()',
		'SELECT * FROM pg_stat_activity',
		'SELECT * FROM pg_settings',
		'SHOW ALL',
		'SHOW cdr_service.amqp_uri',
		"SELECT current_setting('cdr_service.amqp_uri')",
		'EXPLAIN (SETTINGS) SELECT 1')
	{
		foreach my $role ('NONE', 'watcher')
		{
			push @seen, "$role: $query"
			  if $cdr->sql("SET ROLE $role; $query") =~ $secrets;
		}
	}
	push @seen, 'visitor'
	  if $cdr->sql('SET ROLE visitor; SELECT * FROM pg_settings') =~ $secrets;
	return is("@seen", '', "$name: no secret in views and status");
}

sub refused
{
	my ($name, $sqlstate, $error, $do) = @_;
	my $before = $cdr->sql('SELECT clock_timestamp()');

	$do->();
	$cdr->wait_for(
		"state = 'backing off' AND last_error_time > '$before' FROM cdr_status()"
	);
	like($cdr->status('last_error'), $error, "$name: refused, and told why");
	$cdr->status_is('last_error_sqlstate', $sqlstate, "$name: SQLSTATE");
	return shows_nowhere($name);
}

sub consumes
{
	my ($name) = @_;

	$cdr->wait_for(
		"state = 'consuming' AND host = '127.0.0.1:$port' FROM cdr_status()");
	return pass("$name: consumes");
}

$cdr->sql('CREATE ROLE watcher IN ROLE pg_monitor; CREATE ROLE visitor');
is($cdr->sql('SET ROLE watcher; SELECT state FROM cdr_status()'),
	'consuming', 'a monitoring role may see the status');
foreach my $setting ('amqp_uri', 'amqp_password_file', 'tls_ca_file',
	'tls_cert_file', 'tls_key_file')
{
	like(
		$cdr->error_of("SET ROLE visitor; SHOW cdr_service.$setting"),
		qr/permission denied|must be superuser/,
		"others may not see $setting");
}
drains('first');
shows_nowhere('first');

# --- rotation: no reload, no restart

my $pid = $cdr->status('pid');

set_broker_password($secret{second});
write_password("$secret{second}\r\nwhat follows is not read\n");
$cdr->status_is('state', 'consuming', 'a connection outlives its password');
break_connection();
$cdr->wait_for("reconnects >= 1 AND state = 'consuming' FROM cdr_status()");
$cdr->status_is('pid', $pid, 'rotated: the same worker is back');
drains('second');
shows_nowhere('rotated');

write_password($secret{wrong});
break_connection();
$cdr->wait_for(
	"last_error LIKE '%ACCESS_REFUSED%' AND last_error_sqlstate = '28000' FROM cdr_status()"
);
pass('wrong password: refused, and told why');
shows_nowhere('wrong password');
write_password($secret{second});
consumes('wrong password, corrected in the file');

# --- files that are not safe, or hold nothing of use

# Each applies to the next connection, for which a setting is changed.
my $prefetch = 1000;

sub reconnect
{
	return $cdr->set('cdr_service.prefetch' => ++$prefetch);
}

foreach my $case (
	[
		'readable by others',
		qr/password file .*mode 0600/,
		sub { chmod 0644, $file }
	],
	[
		'by the group', qr/password file .*mode 0600/,
		sub { chmod 0640, $file }
	],
	[
		'empty', qr/first line of password file/,
		sub { write_password("\n") }
	],
	[
		'too long',
		qr/first line of password file/,
		sub { write_password("$secret{misplaced}-" x 20) }
	],
	[ 'missing', qr/password file .*No such file/, sub { unlink $file } ],
	[
		'a directory',
		qr/password file .*not a regular file/,
		sub { unlink $file; mkdir $file }
	])
{
	my ($name, $error, $do) = @$case;

	refused("password file, $name", 'F0000', $error,
		sub { $do->(); reconnect(); });
	rmdir $file;
	write_password($secret{second});
	$cdr->wait_for_state('consuming');
}

# --- a password within the URI: PostgreSQL itself logs a changed setting, we
# do not

sub set_uri_password
{
	my ($password) = @_;

	return $cdr->set(
		'cdr_service.amqp_password_file' => '',
		'cdr_service.amqp_uri' =>
		  "amqp://$user:$password\@127.0.0.1:$port/$vhost");
}

my $shown = "amqp://$user:********\@127.0.0.1:$port/$vhost";

set_broker_password($secret{uri});
set_uri_password($secret{uri});
$cdr->wait_for("current_setting('cdr_service.amqp_uri') = '$shown'");
consumes('password in the URI');
# its name until 15, and since
my $force = $cdr->sql(
	q{SELECT name FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query')}
);
foreach my $role ('NONE', 'watcher')
{
	is( $cdr->sql(
			"SET ROLE $role;"
			  . ' SELECT setting, reset_val, boot_val FROM pg_settings'
			  . " WHERE name = 'cdr_service.amqp_uri'"),
		"$shown|$shown|",
		"$role: pg_settings shows it masked");
	my $setting = "SELECT current_setting('cdr_service.amqp_uri')";
	my $parallel = "SET ROLE $role; SET $force = on";

	like($cdr->sql("$parallel; EXPLAIN $setting"),
		qr/Gather/, "$role: a parallel worker reads it");
	is($cdr->sql("$parallel; $setting"), $shown, "$role: and masked");
}
foreach my $role ('watcher', 'visitor')
{
	like(
		$cdr->error_of("SET ROLE $role; SELECT * FROM pg_file_settings"),
		qr/permission denied/,
		"$role: what the files hold is not shown");
}
shows_nowhere('password in the URI');
refused('another password in the same URI',
	'28000', qr/ACCESS_REFUSED/, sub { set_uri_password($secret{wrong}) });
set_uri_password($secret{uri});
consumes('another password in the same URI, corrected');
drains('password in the URI');
set_broker_password($secret{second});

foreach my $case (
	[
		'nobody listens', '08001',
		"amqp://$user:$secret{malformed}\@127.0.0.1:$dead/"
	],
	[ 'no such host', '08001', "amqps://$user:$secret{malformed}\@no.invalid/" ],
	[
		'no TLS there',
		'08001',
		"amqps://$user:$secret{malformed}\@127.0.0.1:$port/$vhost"
	])
{
	my ($name, $sqlstate, $uri) = @$case;

	refused($name, $sqlstate, qr/./,
		sub { $cdr->set('cdr_service.amqp_uri' => $uri); });
}
refused('wrong password in the URI',
	'28000', qr/ACCESS_REFUSED/, sub { set_uri_password($secret{wrong}) });
foreach my $uri (
	"amqp//$user:$secret{malformed}\@127.0.0.1/",
	"amqp://$user:$secret{malformed}\@127.0.0.1:x/",
	"$user:$secret{malformed}\@127.0.0.1",
	"http://$user:$secret{malformed}\@127.0.0.1/")
{
	my $offset = $cdr->log_size;

	$cdr->set('cdr_service.amqp_uri' => $uri);
	poll(sub { $cdr->log_matches($warning{refused}, $offset) }, 'a refusal');
	pass('not even set: what is no URI');
}
$cdr->set(
	'cdr_service.amqp_password_file' => $file,
	'cdr_service.amqp_uri'           => $recommended);
consumes('the recommended way again');
drains('again');
$cdr->stored_is($published, 'secrets');

# --- the log

$cdr->nothing_left('secrets');
my $log = $cdr->log_since(0);
like($log, qr/DEBUG:  00000: /, 'the log is at its wordiest');
my @said = grep { $_ =~ $secrets } split /\n/, $log;
my ($server, $ours) = (0, 0);

foreach my $line (@said)
{
	if ($line =~ /parameter "cdr_service\.amqp_uri" changed to "/)
	{
		$server++;
	}
	else
	{
		$ours++;
		diag($line);
	}
}
is($ours, 0, 'no line of the log holds a secret');
is($server, 5,
	'but for those of the server itself, when the masked amqp_uri changes');
unlike($log, qr/(?:$secret{first}|$secret{second})/,
	'and none at all a password that stands in the file alone');

done_testing();
