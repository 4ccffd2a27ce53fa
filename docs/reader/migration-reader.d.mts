export type Service = 'chime' | 'websocket';
/** `off`, `new` (what begins) or `all` (what was there, too). */
export type Mode = 'off' | 'new' | 'all';

/** What the web client is told: how it begins a call, how it offers one again, where it opens its socket. */
export interface ClientModes {
  webrtc: 'native' | 'chime';
  reoffer: 'native' | 'chime';
  websocket: 'socketio' | 'apigateway';
}

export interface ReaderOptions {
  /** Which error of `fetch` means that there is no parameter. */
  isMissing?: (error: any) => boolean;
  /** The setting migration.reader_cache_seconds; 10 without one. */
  cacheS?: number;
  variables?: Record<string, string | undefined>;
  nowS?: () => number;
}

export function bucket(stack: string, service: Service, user: string): number;

export class MigrationReader {
  /** `fetch` gives the parameter's value. */
  constructor(fetch: () => Promise<string | undefined>, options?: ReaderOptions);
  mode(service: Service, user: string): Promise<Mode>;
  forClient(user: string): Promise<ClientModes>;
  /** Whether the old server takes a new socket of this user: not in phase 4. */
  acceptsOldSocket(user: string): Promise<boolean>;
}
