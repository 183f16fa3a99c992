// The Grafana board, written to stdout as share/monitoring/grafana_board.json has it:
//
//   npm ci --ignore-scripts && npm run --silent build
//
// It holds no arithmetic: queries call functions and views of the extension.

import { Builder, Dataquery } from '@grafana/grafana-foundation-sdk/cog';
import * as common from '@grafana/grafana-foundation-sdk/common';
import * as dashboard from '@grafana/grafana-foundation-sdk/dashboard';
import { PanelBuilder as StatBuilder } from '@grafana/grafana-foundation-sdk/stat';
import { PanelBuilder as TableBuilder } from '@grafana/grafana-foundation-sdk/table';
import * as text from '@grafana/grafana-foundation-sdk/text';
import { PanelBuilder as SeriesBuilder } from '@grafana/grafana-foundation-sdk/timeseries';

const postgres: common.DataSourceRef = {
  type: 'grafana-postgresql-datasource',
  uid: 'cdr_service',
};

// ---------------------------------------------------------------------------
// Queries
// ---------------------------------------------------------------------------

// The SDK has no queries of PostgreSQL's data source.
interface SqlQuery {
  refId: string;
  datasource: common.DataSourceRef;
  editorMode: 'code';
  format: 'time_series' | 'table';
  rawQuery: true;
  rawSql: string;
  _implementsDataqueryVariant(): void;
}

class Sql implements Builder<Dataquery> {
  constructor(
    private readonly format: SqlQuery['format'],
    private readonly rawSql: string,
    private readonly refId = 'A',
  ) {}

  build(): Dataquery {
    const query: SqlQuery = {
      refId: this.refId,
      datasource: postgres,
      editorMode: 'code',
      format: this.format,
      rawQuery: true,
      rawSql: this.rawSql,
      _implementsDataqueryVariant() {},
    };
    return query;
  }
}

// Values of variables come from the wire: never without their quotes.
const tenant = '${tenant:sqlstring}';
const zone = '${zone:sqlstring}';

// Rows of cdr_traffic() for the range and the tenant in view.  An empty tenant stands
// for all calls, those without one, too.
function traffic(step: string, ...dimensions: string[]): string {
  const asked = dimensions.join(',');
  const withTenant = ['tenant_id', ...dimensions].join(',');
  return (
    `cdr_traffic($__timeFrom(), $__timeTo(), ${step}, ${zone},\n` +
    `  CASE ${tenant} WHEN '' THEN '{${asked}}' ELSE '{${withTenant}}' END::text[]) AS t`
  );
}
const ofTenant = `(${tenant} = '' OR t.tenant_id = ${tenant})`;

// Columns of each step, as series of their own.
function series(...columns: [string, string][]): string {
  const values = columns.map(([metric, column]) => `('${metric}', t.${column}::float8)`);
  return (
    `SELECT t.bucket AS time, v.metric, v.value\n` +
    `FROM ${traffic("'$__interval'")}\n` +
    `CROSS JOIN LATERAL (VALUES ${values.join(', ')}) AS v(metric, value)\n` +
    `WHERE ${ofTenant}\nORDER BY 1`
  );
}

// ---------------------------------------------------------------------------
// Panels
// ---------------------------------------------------------------------------

function figure(title: string, column: string, unit: string, description: string): StatBuilder {
  return new StatBuilder()
    .title(title)
    .description(description)
    .datasource(postgres)
    .unit(unit)
    .noValue('no calls')
    .graphMode(common.BigValueGraphMode.None)
    .reduceOptions({ build: () => ({ calcs: ['lastNotNull'] }) })
    .height(4)
    .span(4)
    .withTarget(
      new Sql('table', `SELECT t.${column}::float8 AS value\nFROM ${traffic('NULL')}\nWHERE ${ofTenant}`),
    );
}

function course(title: string, unit: string, query: string): SeriesBuilder {
  return new SeriesBuilder()
    .title(title)
    .datasource(postgres)
    .unit(unit)
    .min(0)
    .interval('1m')
    .legend(
      new common.VizLegendOptionsBuilder()
        .showLegend(true)
        .displayMode(common.LegendDisplayMode.List)
        .placement(common.LegendPlacement.Bottom),
    )
    .height(8)
    .span(12)
    .withTarget(new Sql('time_series', query));
}

function bars(panel: SeriesBuilder): SeriesBuilder {
  return panel
    .drawStyle(common.GraphDrawStyle.Bars)
    .fillOpacity(80)
    .lineWidth(0)
    .stacking({ build: () => ({ mode: common.StackingMode.Normal, group: 'A' }) });
}

function table(title: string, description: string, query: string): TableBuilder {
  return new TableBuilder()
    .title(title)
    .description(description)
    .datasource(postgres)
    .height(8)
    .span(12)
    .withTarget(new Sql('table', query));
}

const report = new text.PanelBuilder()
  .title('The report of this range, as a page: run it with psql -XAt')
  .mode(text.TextMode.Code)
  .code({ build: () => ({ language: text.CodeLanguage.Sql, showLineNumbers: false, showMiniMap: false }) })
  .content(
    "SELECT cdr_report('${__from:date:iso}', '${__to:date:iso}',\n" +
      `  ${zone}, NULLIF(${tenant}, ''));`,
  )
  .height(4)
  .span(24);

const breakdown = (column: string) =>
  `SELECT t.${column}, t.attempts, t.decided, t.answered, t.asr, t.ner, t.acd_seconds,\n` +
  `  t.talk_seconds, t.short_calls\n` +
  `FROM ${traffic('NULL', column)}\n` +
  `WHERE ${ofTenant}\nORDER BY t.attempts DESC LIMIT 20`;

const percent: dashboard.DynamicConfigValue[] = [{ id: 'unit', value: 'percentunit' }];

// ---------------------------------------------------------------------------
// The board
// ---------------------------------------------------------------------------

const board = new dashboard.DashboardBuilder('Calls')
  .uid('cdr_service')
  .description('What call records tell, and how the service does that records them.')
  .tags(['cdr_service'])
  .time({ from: 'now-24h', to: 'now' })
  .refresh('1m')
  .timezone('browser')
  .readonly()
  .withVariable(
    new dashboard.QueryVariableBuilder('tenant')
      .label('Tenant')
      .datasource(postgres)
      .query(
        `SELECT '(all)' AS __text, '' AS __value\nUNION ALL\n` +
          `(SELECT t.tenant_id, t.tenant_id\n` +
          `FROM cdr_traffic(now() - interval '1 day', now(), NULL, 'UTC', '{tenant_id}') AS t\n` +
          `WHERE t.tenant_id <> '' ORDER BY t.attempts DESC LIMIT 100)`,
      )
      .current({ selected: true, text: '(all)', value: '' })
      .refresh(dashboard.VariableRefresh.OnDashboardLoad),
  )
  .withVariable(
    new dashboard.CustomVariableBuilder('zone')
      .label('Zone')
      .values('UTC,Europe/Berlin,Europe/Istanbul,Asia/Kolkata,America/New_York')
      .allowCustomValue(true)
      .current({ selected: true, text: 'UTC', value: 'UTC' }),
  )
  .annotation(
    new dashboard.AnnotationQueryBuilder()
      .name('Alerts')
      .datasource(postgres)
      .enable(true)
      .iconColor('red')
      .target(
        new Sql(
          'table',
          `SELECT a.raised_at AS time, a.cleared_at AS timeend, a.rule AS title,\n` +
            `  concat_ws(' ', a.rule, a.tenant_id) AS text, a.level AS tags\n` +
            `FROM cdr_alerts AS a\n` +
            `WHERE $__timeFilter(a.raised_at) AND (${tenant} = '' OR a.tenant_id = ${tenant})`,
          'Anno',
        ),
      ),
  )
  .withPanel(report)
  .withPanel(figure('Attempts', 'attempts', 'short', 'Calls that were tried'))
  .withPanel(figure('Answered', 'asr', 'percentunit', 'ASR: of the calls that are decided'))
  .withPanel(figure('Network effectiveness', 'ner', 'percentunit', 'NER, by ITU-T E.425'))
  .withPanel(figure('Mean length', 'acd_seconds', 's', 'ACD: of the calls that were answered and have ended'))
  .withPanel(figure('Talk', 'talk_seconds', 's', 'Sum from answer to end'))
  .withPanel(figure('Lines', 'erlang', 'short', 'Occupied on average (Erlang)'))
  .withPanel(
    bars(
      course(
        'Calls by outcome',
        'short',
        series(
          ['answered', 'answered'],
          ['presumed', 'presumed'],
          ['no answer', 'no_answer'],
          ['busy', 'busy'],
          ['canceled', 'canceled'],
          ['failed', 'failed'],
        ),
      ),
    ),
  )
  .withPanel(
    course('Answered, effective', 'percentunit', series(['ASR', 'asr'], ['NER', 'ner'], ['SEER', 'seer'])).max(1),
  )
  .withPanel(course('Lines that are occupied', 'short', series(['erlang', 'erlang'])).fillOpacity(20))
  .withPanel(course('Time to answer', 's', series(['median', 'setup_p50'], ['19 of 20', 'setup_p95'])))
  .withPanel(
    table('Causes', 'Why calls ended', breakdown('hangup_cause')).overrideByRegexp('/^(asr|ner)$/', percent),
  )
  .withPanel(
    table('Destinations', 'By country code', breakdown('destination')).overrideByRegexp('/^(asr|ner)$/', percent),
  )
  .withPanel(table('Trunks', 'By the trunk that the start names', breakdown('trunk')).overrideByRegexp('/^(asr|ner)$/', percent))
  .withPanel(
    table(
      'Calls that failed',
      'The latest ones; nobody is named',
      `SELECT c.attempt_time AS time, c.tenant_id, c.direction, c.trunk,\n` +
        `  cdr_destination(c.callee_number) AS destination, c.hangup_cause, c.sip_status\n` +
        `FROM calls AS c\n` +
        `WHERE $__timeFilter(c.attempt_time) AND c.disposition = 'FAILED'\n` +
        `AND (${tenant} = '' OR c.tenant_id = ${tenant})\n` +
        `ORDER BY c.attempt_time DESC LIMIT 50`,
    ),
  )
  .withPanel(
    table(
      'Workers',
      'Now, whatever range is in view',
      `SELECT s.worker, s.state, s.lag, s.backlog, s.waiting, s.received, s.recorded,\n` +
        `  s.duplicates, s.dead_letters, s.last_error\nFROM cdr_status() AS s`,
    ),
  )
  .withPanel(
    table('Health', 'Now: what is not well', `SELECT * FROM cdr_health AS h WHERE h.level <> 'ok'`),
  );

console.log(JSON.stringify(board.build(), null, 2));
