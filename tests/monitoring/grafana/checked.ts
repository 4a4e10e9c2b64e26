// What a dashboard file may hold, from the types that Grafana publishes.
import type { Dashboard, DataSourceRef, Panel, RowPanel } from '@grafana/schema';
import type * as stat from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import type * as stateTimeline from '@grafana/schema/dist/esm/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen';
import type * as timeSeries from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';

/** A type as it is in JSON: an enum is one of its values. */
type Json<T> = T extends string
  ? `${T}`
  : T extends number | boolean | null | undefined
    ? T
    : T extends Array<infer Item>
      ? Array<Json<Item>>
      : T extends object
        ? { [Key in keyof T]: Json<T[Key]> }
        : T;

/** A query to Prometheus; its own types are not published apart from its plugin. */
interface Query {
  refId: string;
  datasource: DataSourceRef;
  expr: string;
  legendFormat: string;
  range?: boolean;
  instant?: boolean;
}

interface Drawn<Type extends string, Options, Custom> extends Omit<Panel<Options, Custom>, 'type' | 'targets' | 'options' | 'fieldConfig'> {
  type: Type;
  title: string;
  description: string;
  targets: Query[];
  options: Options;
  fieldConfig: {
    defaults: Omit<NonNullable<Panel['fieldConfig']>['defaults'], 'custom'> & { custom?: Custom };
    overrides: NonNullable<Panel['fieldConfig']>['overrides'];
  };
}

type AnyPanel =
  | (Omit<RowPanel, 'type'> & { type: 'row' })
  | Drawn<'stat', stat.Options, never>
  | Drawn<'state-timeline', stateTimeline.Options, stateTimeline.FieldConfig>
  | Drawn<'timeseries', timeSeries.Options, timeSeries.FieldConfig>;

export type Checked = Json<Omit<Dashboard, 'panels'> & { panels: AnyPanel[] }>;
