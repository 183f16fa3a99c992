# amqps://: events drain exactly once; whoever the server is, if it is not
# proved to be the one that was meant, it is told which proof is missing, and
# hears no password.

use strict;
use warnings FATAL => 'all';

use POSIX qw(mkfifo);

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use CdrService::Certificates;
use CdrService::Events qw(simple_events);
use CdrService::FakeBroker;
use CdrService::Fixture;
use CdrService::Util qw(run soon);

my $secret       = 'never-in-the-clear-4711';
my $certificates = CdrService::Certificates->new;
my $both         = 'DNS:localhost,IP:127.0.0.1';
$certificates->make('good',     hosts     => $both);
$certificates->make('expired',  hosts     => $both, days => 0);
$certificates->make('unknown',  hosts     => $both, authority => 'other-ca');
$certificates->make('elsewhere', hosts    => 'DNS:elsewhere.test,IP:127.0.0.2');
$certificates->make('name-only', hosts    => 'DNS:localhost');
$certificates->make('telephony');
$certificates->make('stranger', authority => 'other-ca');
$certificates->encrypt_key('telephony', 'encrypted', $secret);
$certificates->install('good');

my $broker = CdrService::Broker->private($certificates);
my $cdr    = CdrService::Fixture->new(
	'tls',
	broker => $broker,
	config => "cdr_service.heartbeat = '2s'\n"
	  . "cdr_service.tls_ca_file = '"
	  . $certificates->path('ca.crt') . "'\n");
my $good      = $broker->tls_uri;
my $published = 0;

# Publishes events and waits for them.
sub drains
{
	my ($name) = @_;

	$cdr->publish(simple_events(300, $name =~ s/\W/-/gr));
	$published += 300;
	$cdr->wait_drained($published);
	return $cdr->stored_is($published, $name);
}

# Applies settings and waits for the error that they end in.
sub refused
{
	my ($name, $sqlstate, $error, %settings) = @_;
	my $before = $cdr->sql('SELECT clock_timestamp()');

	$cdr->set(%settings);
	$cdr->wait_for(
		"state = 'backing off' AND last_error_time > '$before' FROM cdr_status()"
	);
	like($cdr->status('last_error'), $error, "$name: refused, and told why");
	return $cdr->status_is('last_error_sqlstate', $sqlstate,
		"$name: SQLSTATE");
}

# Applies settings and waits for the session that they lead to.
sub consumes
{
	my ($name, $host, %settings) = @_;

	$cdr->set(%settings);
	$cdr->wait_for("state = 'consuming' AND host = '$host' FROM cdr_status()");
	return pass("$name: consumes");
}

my $by_name    = 'localhost:' . $broker->tls_port;
my $by_address = '127.0.0.1:' . $broker->tls_port;

sub cured
{
	my ($name, %settings) = @_;

	$certificates->install('good');
	return consumes("$name, cured by a reload",
		$by_name, 'cdr_service.amqp_uri' => $good, %settings);
}

# --- a good server

consumes('by name', $by_name, 'cdr_service.amqp_uri' => $good);
drains('by name');
consumes('by address', $by_address,
	'cdr_service.amqp_uri' => $broker->tls_uri(host => '127.0.0.1'));
like(
	$broker->ctl('list_connections', 'ssl_protocol'),
	qr/tlsv1\.[23]/, 'RabbitMQ agrees that it is TLS');

# --- one reconnect for each setting

foreach my $setting (
	[ 'cdr_service.tls_verify' => 'ca' ],
	[ 'cdr_service.tls_verify' => 'full' ])
{
	my $before = $cdr->status('reconnects');

	$cdr->set(@$setting);
	$cdr->wait_for(
		"reconnects > $before AND state = 'consuming' FROM cdr_status()");
	$cdr->status_is("reconnects - $before", 1, "@$setting: one reconnect");
}

# --- the wrong server

$certificates->install('elsewhere');
refused('wrong name', '08001', qr/certificate is for another host/,
	'cdr_service.amqp_uri' => $good);
consumes('wrong name, tls_verify = ca',
	$by_name, 'cdr_service.tls_verify' => 'ca');
cured('wrong name', 'cdr_service.tls_verify' => 'full');

$certificates->install('name-only');
refused('wrong address', '08001', qr/certificate is for another host/,
	'cdr_service.amqp_uri' => $broker->tls_uri(host => '127.0.0.1'));
cured('wrong address');

$certificates->install('expired');
refused('expired', '08001', qr/certificate has expired/,
	'cdr_service.amqp_uri' => "$good,");
cured('expired');

$certificates->install('unknown');
refused('unknown CA', '08001', qr/not signed by a CA of .*tls_ca_file/,
	'cdr_service.amqp_uri' => "$good,");
refused('the CAs of the system', '08001',
	qr/not signed by a CA of the system's/,
	'cdr_service.tls_ca_file' => '');
consumes('unknown CA, tls_verify = none',
	$by_name, 'cdr_service.tls_verify' => 'none');
cured(
	'unknown CA',
	'cdr_service.tls_ca_file' => $certificates->path('ca.crt'),
	'cdr_service.tls_verify'  => 'full');

# --- no file at all

my $fifo = $cdr->node->data_dir . '/fifo';
mkfifo($fifo, 0600) or die "mkfifo: $!";
refused('a FIFO of CAs', 'F0000', qr/TLS CA file ".*fifo" is not a regular file/,
	'cdr_service.tls_ca_file' => $fifo);
cured('a FIFO', 'cdr_service.tls_ca_file' => $certificates->path('ca.crt'));

# --- the wrong port

refused('plaintext port', '08001', qr/does not speak TLS on this port/,
	'cdr_service.amqp_uri' => $broker->tls_uri(port => $broker->port));
refused('TLS port', '08001', qr/amqps:\/\//,
	'cdr_service.amqp_uri' => "amqp://guest:guest\@$by_address/" . $broker->vhost);
cured('wrong port');

my $old = CdrService::FakeBroker->old_tls($certificates);
refused('TLS 1.1', '08001', qr/does not speak TLS 1\.2 or newer/,
	'cdr_service.amqp_uri' => $broker->tls_uri(port => $old->port));
$old->stop;

# --- no password without TLS

my $recorder = CdrService::FakeBroker->recorder;
refused(
	'overheard', '08001',
	qr/does not speak TLS on this port/,
	'cdr_service.amqp_uri' => $broker->tls_uri(
		port  => $recorder->port,
		login => "guest:$secret@"));
like($recorder->heard, qr/^\x16\x03/, 'overheard: a handshake comes first');
unlike($recorder->heard, qr/\Q$secret\E|AMQP/,
	'overheard: and nothing in the clear');
$recorder->stop;
cured('overheard');

# --- our own certificate

my %own = (
	'cdr_service.tls_cert_file' => $certificates->path('telephony.crt'),
	'cdr_service.tls_key_file'  => $certificates->path('telephony.key'));
my $nobody = $broker->tls_uri(login => '');

$broker->erlang(
	'ok = rabbit_auth_backend_internal:put_user(#{name => <<"telephony">>,'
	  . ' password => <<>>, tags => <<>>}, <<"test">>),'
	  . ' ok = rabbit_auth_backend_internal:set_permissions(<<"telephony">>,'
	  . ' <<"'
	  . $broker->vhost
	  . '">>, <<".*">>, <<".*">>, <<".*">>, <<"test">>)');
consumes('EXTERNAL', $by_name, 'cdr_service.amqp_uri' => $nobody, %own);
like($broker->ctl('list_connections', 'user', 'auth_mechanism'),
	qr/^telephony\tEXTERNAL/m, 'EXTERNAL: as whom the certificate names');
drains('EXTERNAL');
consumes('EXTERNAL, but the URI names a user',
	$by_name, 'cdr_service.amqp_uri' => $good);
like($broker->ctl('list_connections', 'user', 'auth_mechanism'),
	qr/^guest\tPLAIN/m, 'PLAIN: as whom the URI names');

chmod 0644, $certificates->path('telephony.key');
refused('open key file', 'F0000', qr/TLS key file .*mode 0600/,
	'cdr_service.amqp_uri' => $nobody);
chmod 0600, $certificates->path('telephony.key');
consumes('open key file, once it is closed', $by_name);
refused('missing key file', 'F0000', qr/could not open TLS key file .*No such/,
	'cdr_service.tls_key_file' => $certificates->path('missing.key'));
refused('key of another', 'F0000', qr/does not hold the key of the certif/,
	'cdr_service.tls_key_file' => $certificates->path('good.key'));
refused('key with a passphrase', 'F0000', qr/protected by a passphrase/,
	'cdr_service.tls_key_file' => $certificates->path('encrypted.key'));
refused('no key', 'F0000', qr/must be set together/,
	'cdr_service.tls_key_file' => '');
refused('missing certificate', 'F0000',
	qr/could not load TLS certificate file .*No such/,
	%own, 'cdr_service.tls_cert_file' => $certificates->path('missing.crt'));

# (the server closes the connection right after it has said why: in TLS 1.3,
# that can get lost)
$cdr->set(
	'cdr_service.tls_cert_file' => $certificates->path('stranger.crt'),
	'cdr_service.tls_key_file'  => $certificates->path('stranger.key'));
$cdr->wait_for(
	"last_error LIKE '%refused the certificate of cdr_service.tls_cert_file%'"
	  . " AND last_error_sqlstate = '28000' FROM cdr_status()");
pass('certificate of a stranger: refused, and told why');
cured('our own certificate', %own);

# --- SIGTERM while a handshake stalls

my $mute = CdrService::FakeBroker->mute;
$cdr->set('cdr_service.amqp_uri' => $broker->tls_uri(port => $mute->port));
$cdr->wait_for_state('connecting');

# (for the next worker: this one has no time for a reload)
$cdr->set('cdr_service.amqp_uri' => $good);
cmp_ok($cdr->terminate_worker, '<', soon(1),
	'a stalled handshake: SIGTERM ends the worker within a second');
cured('a stalled handshake');
$mute->stop;

# --- RabbitMQ dies, with a backlog

$cdr->hold_back('crash', 'crasi');
$cdr->publish(simple_events(3000, 'crash'));
$published += 3000;
$cdr->wait_for_state('retrying');
$broker->kill;
$cdr->wait_for_state('backing off');
$cdr->let_through;
$broker->restart;
consumes('after a crash of the broker',
	$by_name, 'cdr_service.prefetch' => 1000);
$cdr->wait_drained($published);
$cdr->stored_is($published, 'after a crash of the broker');

# --- PostgreSQL's own TLS, meanwhile

$cdr->set(
	'ssl'              => 'on',
	'ssl_cert_file'    => $certificates->path('good.crt'),
	'ssl_key_file'     => $certificates->path('good.key'),
	'listen_addresses' => '127.0.0.1');
$cdr->node->restart;
$cdr->wait_for_state('consuming');
is( run(
		[
			$cdr->node->installed_command('psql'),
			'-XAtc',
			'SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()',
			'host=127.0.0.1 sslmode=verify-full dbname=postgres port='
			  . $cdr->node->port
			  . ' sslrootcert='
			  . $certificates->path('ca.crt')
		]),
	't|TLSv1.3',
	"a client of PostgreSQL's speaks TLS beside");
drains('beside PostgreSQL');
is($cdr->log_matches(qr/\Q$secret\E/, 0) - $cdr->log_matches(qr/parameter "cdr_service\.amqp_uri" changed to .*\Q$secret\E/, 0),
	0, 'no secret is logged');
$cdr->nothing_left('tls');

done_testing();
