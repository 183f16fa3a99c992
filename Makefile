# cdr_service: call detail records from RabbitMQ events, in PostgreSQL.

EXTENSION = cdr_service
source = $(patsubst %/,%,$(dir $(firstword $(MAKEFILE_LIST))))
EXTVERSION = $(shell sed -n "s/^default_version = '\(.*\)'/\1/p" $(source)/cdr_service.control)
DATA_built = cdr_service--$(EXTVERSION).sql
SCRIPTS = scripts/cdr-verify scripts/cdr-anchor

# The install script: parts that lie in the room whose business they are, in
# the order in which they must run.
SQL_PARTS = src/head.sql \
	src/store/rollup.sql \
	src/store/tables.sql \
	src/store/causes.sql \
	src/store/mappings.sql \
	src/store/statement.sql \
	src/store/calls.sql \
	src/worker/progress.sql \
	src/store/ingest.sql \
	src/store/retry.sql \
	src/store/explain.sql \
	src/worker/status.sql \
	src/worker/health.sql \
	src/worker/pause.sql \
	src/store/partition.sql \
	src/store/rebuild.sql \
	src/store/correct.sql \
	src/store/history.sql \
	src/backfill/backfill.sql \
	src/store/guard.sql \
	src/report/traffic.sql \
	src/report/export.sql \
	src/report/masked.sql \
	src/report/tenants.sql \
	src/report/metrics.sql \
	src/report/concurrency.sql \
	src/report/report_page.sql \
	src/report/report_chart.sql \
	src/report/report_data.sql \
	src/report/report_tables.sql \
	src/report/report.sql \
	src/evidence/evidence.sql \
	src/store/seals.sql \
	src/store/anchors.sql \
	src/store/proofs.sql \
	src/store/seal_status.sql \
	src/alert/tables.sql \
	src/alert/measure.sql \
	src/alert/check.sql \
	src/access/access.sql \
	src/retention/tables.sql \
	src/retention/hold.sql \
	src/retention/access.sql \
	src/retention/rules.sql \
	src/retention/retire.sql \
	src/retention/evidence.sql \
	src/erasure/pseudonyms.sql \
	src/erasure/tables.sql \
	src/erasure/plan.sql \
	src/erasure/erase.sql \
	src/erasure/again.sql \
	src/erasure/evidence.sql \
	src/retention/guard.sql \
	src/rights.sql

# The columns of the tables, which these parts name.
COLUMNS = src/call/columns.h src/store/table_columns.h

# The hangup causes, from which their list in C and the rows of their table are
# generated.
CAUSES = src/call/causes.awk src/call/causes.csv
CAUSE_LIST = src/call/cause_list.h
list_causes = LC_ALL=C awk -v language=$(1) -f $(addprefix $(source)/,$(CAUSES))

# The list of columns, which the library has, too.
COLUMN_LIST = src/store/column_list.h
EXTRA_CLEAN = $(CAUSE_LIST) $(COLUMN_LIST)

# The rooms of src/, each with its files; one without any is a mistake.
ROOMS = base broker event call evidence store report alert access retention worker backfill erasure
files = $(or $(patsubst $(source)/%,%,$(sort $(wildcard $(source)/$(1)))), \
	$(error there is no file $(source)/$(1)))

MODULE_big = cdr_service
OBJS = $(patsubst %.c,%.o,src/cdr_service.c \
	$(foreach room,$(ROOMS),$(call files,src/$(room)/*.c)))
PG_CPPFLAGS = -DCDR_VERSION='"$(EXTVERSION)"' -Isrc -I$(source)/src \
	$(shell pkg-config --cflags librabbitmq)
PG_CFLAGS = -Wall -Wextra -Wno-unused-parameter
SHLIB_LINK = $(shell pkg-config --libs librabbitmq) -lssl -lcrypto -lz

# Named by the room and what it promises.  Those that take long end in _permuted
# or _random; "scripts/check --quick" leaves them out, and so does CDR_QUICK=yes in
# the environment.
REGRESS = base_settings store_schema store_ingest call_merge call_causes \
	call_corrections \
	call_segments call_history call_as_of event_numbers event_durations event_accounting \
	event_timestamps event_bad_input event_foreign_text event_packed event_amqp10 \
	event_charsets event_protobuf event_cloudevents \
	event_sent_again event_explain \
	store_dead_letters store_partitions store_repetitions store_verify \
	report_rollup \
	report_alerts \
	store_rollup \
	store_retired store_recording store_examples store_remap report_traffic report_mistakes \
	report_page report_memory \
	report_concurrency \
	report_anywhere report_planted report_operators report_documents store_reference \
	report_metrics \
	evidence_seals evidence_status evidence_escapes evidence_published \
	evidence_leaves evidence_threats \
	evidence_proofs evidence_anchors \
	retention_guard \
	erasure_hung \
	erasure_late erasure_again erasure_alerts \
	erasure_erase \
	erasure_plan \
	erasure_read \
	erasure_pseudonyms \
	retention_holds retention_rules retention_hour retention_reach retention_evidence \
	report_queries report_export report_rights report_tenants access_record worker_status worker_progress store_mappings store_each store_brought_over backfill_rows store_privileges store_guard \
	call_order_permuted call_order_random call_segments_random event_json_random
ifeq ($(CDR_QUICK),yes)
REGRESS := $(filter-out %_permuted %_random,$(REGRESS))
endif
REGRESS_OPTS = --encoding=UTF8
ISOLATION = evidence_seals store_same_call store_same_event store_opposite_order \
	store_rebuild store_corrections store_partitions store_foreign_locks \
	store_rollup store_progress \
	report_alerts \
	erasure_races erasure_beside \
	retention_holds store_mappings store_remap backfill_same_rows backfill_dropped backfill_deadlock
ISOLATION_OPTS = --inputdir=test --encoding=UTF8

# "make installcheck" needs a running server only; with TAP_TESTS=1, it also
# starts servers of its own, PostgreSQL's and RabbitMQ's.  The tests that take
# longest begin first: one of them that began last would run alone.
LONG_TESTS = 007 025 008 019 112 907 033 047 901 018 026 114 106 906 036 050 022 028 010 \
	024 005 027 035 046 107 049 030 902 903 904 905 034 003 037 038 039 045 101 102 105 115 \
	310 402 403 202 006 211
long_tests = $(foreach number,$(LONG_TESTS),$(wildcard test/t/$(number)_*.pl))
PROVE_TESTS = $(long_tests) \
	$(filter-out $(long_tests),$(sort $(wildcard test/t/*.pl)))

# CDR_BITCODE=no, in the environment, has no bitcode made, where the server has a use
# for it: no function here is one that a query would gain by inlining.
ifeq ($(CDR_BITCODE),no)
override with_llvm = no
endif

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

# The presets of mappings, and what monitoring systems are set up with, in a
# directory beside the extension.
shared = $(DESTDIR)$(datadir)/extension/cdr_service
.PHONY: install-shared uninstall-shared
install: install-shared
install-shared:
	$(MKDIR_P) '$(shared)/mappings' '$(shared)/monitoring'
	$(INSTALL_DATA) $(addprefix $(source)/,$(call files,share/mappings/*.json)) '$(shared)/mappings/'
	$(INSTALL_DATA) $(addprefix $(source)/,$(call files,share/monitoring/*)) '$(shared)/monitoring/'
uninstall: uninstall-shared
uninstall-shared:
	rm -rf '$(shared)'

# after PGXS, which sets it to nothing
PROVE_FLAGS += -I test/perl

cdr_service--$(EXTVERSION).sql: $(addprefix $(source)/,$(SQL_PARTS)) \
		$(addprefix $(source)/,Makefile $(COLUMNS) src/call/columns.awk \
		$(CAUSES))
	awk -f $(source)/src/call/columns.awk $(addprefix $(source)/,$(COLUMNS)) \
		$(filter %.sql,$^) >$@
	$(call list_causes,sql) >>$@

$(CAUSE_LIST): $(addprefix $(source)/,$(CAUSES)) | object-directories
	$(call list_causes,c) >$@

src/call/causes.o src/call/causes.bc: $(CAUSE_LIST)

$(COLUMN_LIST): $(addprefix $(source)/,src/call/columns.awk $(COLUMNS) \
		src/store/tables.sql src/store/column_list.awk) | object-directories
	awk -f $(source)/src/call/columns.awk $(addprefix $(source)/,$(COLUMNS) \
		src/store/tables.sql) | awk -f $(source)/src/store/column_list.awk >$@

src/store/update.o src/store/update.bc: $(COLUMN_LIST)

# What PGXN takes: the files of the last commit, debian/ included, so that
# scripts/package can be run there, too.  Only whoever publishes knows where the
# project is hosted: META.json of the archive gets its "resources" from HOMEPAGE,
# by default the clone's origin, if that is an address for browsers.
DISTVERSION = $(shell sed -n 's/^   "version": "\(.*\)",/\1/p' $(source)/META.json)
HOMEPAGE = $(shell git -C $(source) config --get remote.origin.url | \
	sed -n 's/\.git$$//; /^https:[^@]*$$/p')
.PHONY: dist
dist:
	dir=$$(mktemp -d) && trap 'rm -r "$$dir"' EXIT && \
	git -C $(source) show HEAD:META.json | awk -v home='$(HOMEPAGE)' \
		-f $(source)/scripts/resources.awk >"$$dir/META.json" && \
	git -C $(source) archive --format=zip \
		--prefix=cdr_service-$(DISTVERSION)/ --add-file="$$dir/META.json" \
		HEAD -- . ':(exclude)META.json' \
		>cdr_service-$(DISTVERSION).zip

# every room may be rebuilt when an interface changes
# (not all of those that are generated, which may be newer than they are)
$(OBJS): $(filter-out %_list.h,$(wildcard $(source)/src/*/*.h)) \
		$(source)/cdr_service.control

# where the objects go, if that is not beside the sources
.PHONY: object-directories
$(OBJS): | object-directories
object-directories:
	@mkdir -p $(addprefix src/,$(ROOMS))

.DELETE_ON_ERROR:
