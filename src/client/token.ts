/** The token that stands for a user's name and password. One is asked for at a time, however many calls want it. */

export interface UserPassword {
  readonly name: string;
  readonly password: string;
}

export class Tokens {
  readonly user: UserPassword | null;
  readonly #authenticate: (user: UserPassword) => Promise<string>;
  #current: Promise<string> | null = null;

  /** `authenticate` answers an empty token where the cluster asks for none. */
  constructor(user: UserPassword | null, authenticate: (user: UserPassword) => Promise<string>) {
    this.user = user;
    this.#authenticate = authenticate;
  }

  /** Empty where there is no user, or the cluster wants no token. A failure is not remembered. */
  async get(): Promise<string> {
    if (this.user === null) return "";
    const asked = (this.#current ??= this.#authenticate(this.user));
    try {
      return await asked;
    } catch (thrown) {
      if (this.#current === asked) this.#current = null;
      throw thrown;
    }
  }

  /** A member refused `token`: the next call gets another. Of many that were refused together, the first asks. */
  async refused(token: string): Promise<void> {
    const current = await this.#current?.catch(() => null);
    if (current === token) this.#current = null;
  }
}
