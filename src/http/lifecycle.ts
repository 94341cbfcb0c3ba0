/** Whether the process is about to stop, and who wants to hear of that at once. */
export class Lifecycle {
  readonly #listeners = new Set<() => void>();
  #draining = false;

  get draining(): boolean {
    return this.#draining;
  }

  set draining(draining: boolean) {
    this.#draining = draining;
    if (draining) for (const listener of this.#listeners) listener();
  }

  /** What `coming` comes to, or null if the process is about to stop before. */
  async unlessDraining<T>(coming: Promise<T>): Promise<T | null> {
    let stop = (): void => undefined;
    const stopping = new Promise<null>((resolve) => {
      stop = () => resolve(null);
    });
    this.#listeners.add(stop);
    if (this.#draining) stop();
    try {
      return await Promise.race([coming, stopping]);
    } finally {
      this.#listeners.delete(stop);
    }
  }
}
