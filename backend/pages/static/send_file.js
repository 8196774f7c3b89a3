// Upload one file in one request. Uses XMLHttpRequest, because fetch reports no upload progress.

const SILENCE_MS = 120000;

/** Upload a file. Resolves to {status, body} and never rejects; status 0 means that the server could not be reached. */
export function sendFile(file, onProgress) {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    let silence;
    const restartTimer = () => {
      clearTimeout(silence);
      silence = setTimeout(() => request.abort(), SILENCE_MS);
    };
    const end = (status, body) => {
      clearTimeout(silence);
      resolve({ status, body });
    };
    request.open("POST", "/api/admin/upload");
    request.responseType = "json";
    request.setRequestHeader("Accept", "application/json");
    request.upload.onprogress = (event) => {
      restartTimer();
      if (event.lengthComputable) onProgress(event.loaded / event.total);
    };
    request.onload = () => end(request.status, request.response ?? {});
    request.onerror = () => end(0, {});
    request.onabort = () => end(0, { error: "the server did not respond for two minutes" });
    const form = new FormData();
    form.append("file", file, file.name);
    restartTimer();
    request.send(form);
  });
}
