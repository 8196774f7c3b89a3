// Requests to the server.

const TIMEOUT_MS = 60000;

/** An error response with the server's sentence, or status 0 if the server could not be reached. */
export class RequestError extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

async function request(path, options) {
  let response;
  try {
    response = await fetch(path, { ...options, signal: AbortSignal.timeout(TIMEOUT_MS) });
  } catch (error) {
    throw new RequestError("the server does not respond; check the network connection", 0);
  }
  if (response.status === 401) redirectToLogin();
  if (!response.ok) {
    const problem = await response.json().catch(() => ({}));
    throw new RequestError(problem.error || `the server answered ${response.status}`, response.status);
  }
  return response;
}

/** Call the API with a JSON body, and return the JSON of the response. Throws RequestError. */
export async function callApi(method, path, body) {
  const options = { method, headers: { Accept: "application/json" } };
  if (body !== undefined) {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  return (await request(path, options)).json().catch(() => ({}));
}

/** Fetch a fragment of a page: {html, headers}. Throws RequestError. */
export async function fetchFragment(path) {
  const response = await request(path, { headers: { Accept: "application/json" } });
  return { html: await response.text(), headers: response.headers };
}

export function redirectToLogin() {
  location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`);
}
