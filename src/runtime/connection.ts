/**
 * Questions and answers over a {@link CallerPort}, whether a thread of Node or a web worker is behind it. If that dies, everything
 * pending and everything asked later fails with an error that names what ran; nothing hangs.
 */
import { DeviceError } from "../errors.ts";
import type { CallerPort, Reply, Request } from "./protocol.ts";

interface Pending {
  readonly what: string;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

export class Connection {
  readonly #port: CallerPort;
  readonly #pending = new Map<number, Pending>();
  #next = 0;
  #dead: DeviceError | undefined;
  #closing = false;
  /** Fulfilled when the other side is there, refused if it ends before. */
  readonly ready: Promise<unknown>;

  constructor(port: CallerPort) {
    this.#port = port;
    this.ready = new Promise((resolve, reject) =>
      this.#pending.set(-1, { what: "starting the engine", resolve, reject }),
    );
    port.onMessage((reply) => this.#answer(reply));
    port.onDeath((reason) => this.#die(reason));
  }

  /**
   * The answer to a request.
   * @param what names it in errors
   * @throws DeviceError if it fails, or if nobody is there to answer
   */
  ask(what: string, request: Request, transfer: readonly ArrayBuffer[] = []): Promise<unknown> {
    if (this.#dead) return Promise.reject(this.#dead);
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { what, resolve, reject });
      this.#port.hold?.(true);
      try {
        this.#port.post({ id, request }, transfer);
      } catch (error) {
        this.#settle(id);
        reject(new DeviceError(`engine: ${what}: the request could not be sent: ${(error as Error).message}`));
      }
    });
  }

  async close(): Promise<void> {
    this.#closing = true;
    // What is pending need not wait for the other end, which may say nothing any more.
    this.#die("it was closed");
    await this.#port.close();
  }

  #answer(reply: Reply): void {
    const pending = this.#settle(reply.id);
    if (pending === undefined) return;
    if (reply.ok) pending.resolve(reply.value);
    else pending.reject(new DeviceError(`engine: ${pending.what}: ${reply.message}`));
  }

  #settle(id: number): Pending | undefined {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    // An idle engine must not keep a finished program alive; a pending question does.
    if (this.#pending.size === 0) this.#port.hold?.(false);
    return pending;
  }

  #die(reason: string): void {
    if (this.#dead) return;
    const running = [...this.#pending.values()].map(({ what }) => what);
    const doing = running.length === 0 ? "" : ` while ${running[0]}`;
    this.#dead = new DeviceError(
      this.#closing ? "engine: it is closed" : `engine: the worker failed${doing}: ${reason}`,
    );
    for (const { reject } of this.#pending.values()) reject(this.#dead);
    this.#pending.clear();
  }
}
