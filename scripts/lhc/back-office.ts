/** LHC's back office over HTTP, as its pages use it: a session with a cookie and a CSRF token. */
import { AppError } from '../../src/errors.ts';

const CALL_DEADLINE_MS = 60_000;

export interface OfficeAnswer {
  readonly status: number;
  readonly text: string;
  /** The body as JSON; null if it is none. */
  // biome-ignore lint/suspicious/noExplicitAny: JSON of LHC; a wrong shape fails where it is read
  readonly json: any;
}

type Fields = Readonly<Record<string, string | number | readonly (string | number)[]>>;

export interface BackOffice {
  /** @param path below /site_admin/, without a slash in front */
  get(path: string): Promise<OfficeAnswer>;
  /** A POST of a form with the session's CSRF token. */
  post(path: string, fields?: Fields): Promise<OfficeAnswer>;
  addDepartment(name: string): Promise<void>;
  /** In the group of operators. */
  addUser(user: { username: string; password: string; name: string }): Promise<void>;
  setDepartments(userId: number, departments: readonly number[]): Promise<void>;
  /** Opens a chat, which accepts one that waits. */
  open(chatId: number): Promise<OfficeAnswer>;
  write(chatId: number, text: string): Promise<OfficeAnswer>;
  /** Offers a chat to another operator. */
  offer(chatId: number, userId: number): Promise<OfficeAnswer>;
  /** Offers a chat to a department. */
  offerToDepartment(chatId: number, departmentId: number): Promise<OfficeAnswer>;
  takeTransfer(transferId: number): Promise<OfficeAnswer>;
  /** Gives a chat to another operator at once. */
  changeOwner(chatId: number, userId: number): Promise<OfficeAnswer>;
  changeDepartment(chatId: number, departmentId: number): Promise<OfficeAnswer>;
  close(chatId: number): Promise<OfficeAnswer>;
  delete(chatId: number): Promise<OfficeAnswer>;
  /** Marks this operator as online or offline for the departments. */
  setOffline(offline: boolean): Promise<OfficeAnswer>;
  /** The cookies, for a browser. */
  cookies(): ReadonlyMap<string, string>;
}

/** @throws {AppError} `refused` if LHC does not take the login */
export async function logIn(
  lhc: string,
  { username, password }: { readonly username: string; readonly password: string },
): Promise<BackOffice> {
  const cookies = new Map<string, string>();
  let token = '';

  async function call(method: string, path: string, body?: URLSearchParams): Promise<OfficeAnswer> {
    const answer = await fetch(`${lhc}/site_admin/${path}`, {
      method,
      redirect: 'manual',
      headers: {
        'user-agent': 'Mozilla/5.0 (X11; Linux x86_64) Chrome/120',
        cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; '),
        'x-csrftoken': token,
        'x-requested-with': 'XMLHttpRequest',
      },
      ...(body && { body }),
      signal: AbortSignal.timeout(CALL_DEADLINE_MS),
    });
    for (const line of answer.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      // How PHP removes one.
      if (value === 'deleted') cookies.delete(name);
      else cookies.set(name, value);
    }
    const text = await answer.text();
    return { status: answer.status, text, json: jsonOf(text) };
  }
  const get = (path: string) => call('GET', path);
  function post(path: string, fields: Fields = {}): Promise<OfficeAnswer> {
    const form = new URLSearchParams({ csfr_token: token });
    for (const [name, value] of Object.entries(fields)) {
      for (const each of [value].flat()) form.append(name, String(each));
    }
    return call('POST', path, form);
  }
  async function change(what: string, path: string, fields: Fields): Promise<void> {
    const { status, text } = await post(path, fields);
    // A form that was refused is shown again; one that was taken leads elsewhere.
    if (status !== 302) throw new AppError('refused', `LHC did not ${what}: ${errorsIn(text)}`);
  }

  token = tokenIn((await get('user/login')).text);
  const { status, text } = await post('user/login', {
    Username: username,
    Password: password,
    Login: 'Login',
    redirect: '',
  });
  if (status !== 302) throw new AppError('refused', `LHC refused ${username}: ${errorsIn(text)}`);
  token = tokenIn((await get('')).text);

  return {
    get,
    post,
    addDepartment: (name) =>
      change('make the department', 'department/new', {
        Name: name,
        Email: '',
        Save_departament: 'Save',
      }),
    addUser: (user) =>
      change('make the user', 'user/new', {
        Username: user.username,
        Password: user.password,
        Password1: user.password,
        Email: `${user.username}@example.org`,
        Name: user.name,
        Surname: '',
        'DefaultGroup[]': 2,
        UserTimeZone: 'default',
        Update_account: 'Save',
      }),
    async setDepartments(userId, departments) {
      for (const id of departments) await post(`user/newdepartment/${userId}`, { 'dep_ids[]': id });
    },
    open: (chatId) => get(`chat/adminchat/${chatId}`),
    write: (chatId, msg) => post(`chat/addmsgadmin/${chatId}`, { msg }),
    offer: (chatId, userId) => post(`chat/transferuser/${chatId}/${userId}`, { type: 'user' }),
    offerToDepartment: (chatId, id) => post(`chat/transferuser/${chatId}/${id}`, { type: 'dep' }),
    takeTransfer: (transferId) => post(`chat/accepttransfer/${transferId}`),
    changeOwner: (chatId, userId) =>
      post(`chat/transferuser/${chatId}/${userId}`, { type: 'change_owner' }),
    changeDepartment: (chatId, id) =>
      post(`chat/transferuser/${chatId}/${id}`, { type: 'change_dep' }),
    close: (chatId) => post(`chat/closechatadmin/${chatId}`),
    delete: (chatId) => post(`chat/deletechatadmin/${chatId}`),
    setOffline: (offline) => post(`user/setoffline/${offline}`),
    cookies: () => cookies,
  };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

const tokenIn = (page: string): string =>
  /(?:csrf_token|csfr_token)['"]?\s*(?:value=|[:=])\s*['"]([0-9a-f]+)['"]/i.exec(page)?.[1] ?? '';

/** What a page of LHC says is wrong. */
const errorsIn = (page: string): string =>
  [...page.matchAll(/alert-danger[^>]*>([\s\S]*?)<\/div>/g)]
    .map(([, html = '']) =>
      html
        .replace(/<[^>]*>/g, ' ')
        .replace(/\s+/g, ' ')
        .trim(),
    )
    .join('; ')
    .slice(0, 300) || `no reason in ${page.length} characters`;
