// One file, one request. XMLHttpRequest, since fetch does not tell how much was sent.

const SILENCE = 120000;

/** Send a file; {status, told}. Never throws: status 0 means that the server could not be reached. */
export function send(file, onProgress) {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    let silence;
    const heard = () => {
      clearTimeout(silence);
      silence = setTimeout(() => request.abort(), SILENCE);
    };
    const end = (status, told) => {
      clearTimeout(silence);
      resolve({ status, told });
    };
    request.open("POST", "/api/admin/upload");
    request.responseType = "json";
    request.setRequestHeader("Accept", "application/json");
    request.upload.onprogress = (event) => {
      heard();
      if (event.lengthComputable) onProgress(event.loaded / event.total);
    };
    request.onload = () => end(request.status, request.response ?? {});
    request.onerror = () => end(0, {});
    request.onabort = () => end(0, { error: "nothing was heard of the server for two minutes" });
    const form = new FormData();
    form.append("file", file, file.name);
    heard();
    request.send(form);
  });
}
